"""The exact folder of each Hub repository, made from finished artefacts."""
