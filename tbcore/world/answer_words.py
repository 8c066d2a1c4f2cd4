"""Words by which people and models name this world's things and places, beside the names it uses itself."""

from __future__ import annotations

import re
from functools import cache

from tbcore.world.backdrops import BACKDROPS
from tbcore.world.sprites import SPRITES

__all__ = ["BACKDROP_SYNONYMS", "THING_SYNONYMS", "backdrop_names", "pattern", "thing_names"]

THING_SYNONYMS: dict[str, tuple[str, ...]] = {
    "rabbit": ("bunny", "bunnies", "hare"),
    "chicken": ("hen", "hens", "rooster"),
    "octopus": ("octopi",),
    "shell": ("seashell", "seashells"),
    "bunch of grapes": ("grapes", "grape"),
    "burger": ("hamburger", "hamburgers", "cheeseburger"),
    "donut": ("doughnut", "doughnuts"),
    "ice cream": ("ice-cream", "icecream", "ice cream cone"),
    "box of fries": ("fries", "french fries"),
    "hot dog": ("hotdog", "hotdogs", "hot-dog"),
    "lollipop": ("lolly", "lollies"),
    "cake": ("birthday cake",),
    "cheese": ("piece of cheese", "slice of cheese"),
    "pizza": ("slice of pizza", "pizza slice"),
    "bicycle": ("bike", "bikes"),
    "sailboat": ("boat", "boats", "sailing boat", "sail boat"),
    "fire engine": ("fire truck", "firetruck", "fire trucks"),
    "plane": ("airplane", "airplanes", "aeroplane", "aircraft"),
    "flying saucer": ("ufo", "ufos"),
    "football": ("soccer ball", "soccer balls"),
    "dartboard": ("dart board", "bullseye", "target"),
    "bowling set": ("bowling ball", "bowling pins", "bowling pin"),
    "billiard ball": ("pool ball", "eight ball", "8 ball", "billiards ball"),
    "bow and arrow": ("bow", "bow with an arrow"),
    "gold medal": ("medal", "medals"),
    "badminton racket": ("badminton racquet", "racket", "racquet", "badminton"),
    "boxing glove": ("glove", "gloves"),
    "saxophone": ("sax",),
    "palette": ("paint palette", "artist palette"),
    "microphone": ("mic",),
    "paintbrush": ("brush", "brushes", "paint brush"),
    "pair of headphones": ("headphones", "headphone", "headset"),
    "pair of masks": ("masks", "mask", "theatre masks", "theater masks"),
    "sofa": ("couch", "couches"),
    "light bulb": ("bulb", "lightbulb", "light-bulb"),
    "cactus": ("cacti",),
    "alarm clock": ("clock", "clocks"),
    "pile of books": ("books", "book", "stack of books"),
    "cup of coffee": ("coffee", "coffee cup", "mug"),
    "skateboard": ("skate board",),
}
"""Noun -> other words for it; its plural is understood anyway."""

BACKDROP_SYNONYMS: dict[str, tuple[str, ...]] = {
    "green meadow": ("meadow", "grass", "grassland", "lawn", "green field", "field", "pasture"),
    "sandy beach": ("beach", "seaside", "seashore", "shore", "coast"),
    "starry night": ("starry sky", "night sky", "night", "stars", "starlit sky"),
    "snowy hill": ("snow", "snowy", "snowy hills", "snowy mountain", "winter landscape", "hill"),
    "wooden table": ("table", "wooden desk", "desk", "tabletop", "table top"),
    "desert": ("dunes", "sand dunes", "sahara"),
    "open sea": ("sea", "ocean", "open water", "open ocean", "waves"),
    "city street": ("street", "city", "town", "road", "streets"),
    "rainy day": ("rain", "rainy", "raining", "rainy weather"),
    "sunset": ("setting sun", "dusk", "evening sun", "sundown"),
}
"""Backdrop -> other words for it."""


@cache
def thing_names() -> dict[str, str]:
    """Return every word for a thing, in lower case, with the noun it means."""
    names: dict[str, str] = {}
    for noun, sprite in SPRITES.items():
        for word in (*THING_SYNONYMS.get(noun, ()), sprite.plural, noun):
            names[word] = noun
    return names


@cache
def backdrop_names() -> dict[str, str]:
    """Return every word for a backdrop, in lower case, with its name."""
    names: dict[str, str] = {}
    for name in BACKDROPS:
        for word in (*BACKDROP_SYNONYMS[name], name):
            names[word] = name
    return names


@cache
def pattern() -> re.Pattern[str]:
    """Return one pattern for things and places, longest names first, so that a hot dog is never a stray dog."""

    def either(names: dict[str, str]) -> str:
        return "|".join(re.escape(word) for word in sorted(names, key=lambda word: (-len(word), word)))

    return re.compile(rf"\b(?:(?P<thing>{either(thing_names())})|(?P<backdrop>{either(backdrop_names())}))(?:'s)?\b")
