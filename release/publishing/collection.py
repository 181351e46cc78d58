"""One page that links data set, model and Space."""

from collections.abc import Sequence

from huggingface_hub import HfApi

from release.hub.failures import one_line

Item = tuple[str, str]  # (kind, repository)


def link_together(api: HfApi, owner: str, title: str, items: Sequence[Item]) -> str:
    """Make the owner's collection of this title, or find it, and add what it lacks.

    Returns one line for people. What is published does not depend on it, so a Hub without
    collections, or an account that may make none, is said and no error.
    """
    try:
        known = [c for c in api.list_collections(owner=owner) if c.title == title]
        slug = known[0].slug if known else api.create_collection(title, namespace=owner).slug
        for kind, repository in items:
            api.add_collection_item(slug, item_id=repository, item_type=kind, exists_ok=True)  # type: ignore[arg-type]
    except Exception as error:  # whatever it was, the release stands
        return f"no collection was made: {one_line(error)}"
    return f"collection {slug} links {', '.join(repository for _, repository in items)}"
