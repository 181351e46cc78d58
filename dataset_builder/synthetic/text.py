"""Sentences for synthetic dumps: plain words, none of which any rule knows."""

import random

WORDS = tuple(
    """
    river mountain garden window kitchen bridge harbor lantern meadow orchard pebble ribbon saddle
    tunnel valley walnut candle barrel basket blanket bottle bucket button cabin camera carpet
    cellar chimney circle cloud copper corner cotton cousin cradle curtain desert dinner dragonfly
    drawer engine feather fence ferry field finger forest fountain frame glacier glove granite
    grass hammer handle hedge helmet hillside honey horizon island jacket journey kettle ladder
    lake lamp leather lemon letter library lighthouse linen lizard marble market mirror morning
    mosaic museum needle notebook ocean oven owl paddle palace paper parcel pasture pencil pepper
    piano pillow pine planet plate pocket pond porch potato quilt rabbit railway raincoat
    recipe road roof rope sailor salmon sand scarf school shelf shore shoulder silver sketch sled
    snow sparrow spoon spring squirrel staircase stone storm street sugar summer sunrise sweater
    table teacher teapot thread thunder ticket tiger timber tower trail train tree turtle umbrella
    uncle village violin wagon wall water weather wheel willow winter wool yard
    ancient autumn bright broad calm careful clean clever cold curious dark distant early eager
    empty faint fast flat fresh friendly gentle golden grand green heavy hidden hollow honest huge
    humble large late light little lively lonely long loud lucky mild narrow neat noisy odd old
    pale patient plain polite proud quick quiet rare rough round rural sharp shiny short simple
    slow small smooth soft steady strange strong sturdy sudden sunny tall tidy tiny warm wide wild
    young bends borrows brings builds carries carves catches chases climbs closes crosses draws
    drifts drops finds follows gathers grows hangs hears holds joins jumps keeps learns leaves
    lifts likes listens makes melts mends misses moves opens paints passes picks plants pours
    pulls pushes reaches reads rests rides rises rolls runs sails saves sees sends shares shows
    sings sits sleeps smiles spins stands starts stays steps stops stores sweeps swims takes
    talks teaches tells tends throws ties travels turns visits waits walks wanders watches wears
    wonders works wraps writes
    above across after again almost along always among around because before behind below beside
    between beyond during every first inside later near never often outside over rather since soon
    still then there through today together tomorrow toward under until upon very where while
    with within without yesterday
    """.split()  # noqa: SIM905
)
# what real comments carry besides plain words; every one is left or undone by `normalise`
TRIMMINGS = (
    "{} 😀",
    "**{}**",
    "&gt; {}",
    "{} &amp; more",
    "{} 👨\u200d👩\u200d👧",
    "[{}](https://example.org/page)",
    "“{}”",
    "{} naïve café",
    "{}\n\n{}",
    "* {}\n* {}",
)


def sentence(draw: random.Random, least: int = 8, most: int = 14) -> str:
    """Words drawn without repetition: two such sentences hardly ever share a third of them."""
    return " ".join(draw.sample(WORDS, draw.randint(least, most)))


def pool(draw: random.Random, size: int) -> list[str]:
    """Fragments to compose many comments from quickly."""
    return [sentence(draw, 3, 12) for _ in range(size)]


def trimmed(draw: random.Random, text: str) -> str:
    """The text with one of TRIMMINGS around it."""
    shape = draw.choice(TRIMMINGS)
    return shape.format(*[text] * shape.count("{}"))
