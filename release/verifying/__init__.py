"""Does a folder, a cache snapshot or a repository hold what its manifest says?"""
