"""The two looks of the toy city: statistics and colors (red, green, blue in 0..255)."""

from __future__ import annotations

from dataclasses import dataclass

from dts.datasets.toy_city_scene import Traits

Rgb = tuple[int, int, int]
Colors = tuple[Rgb, ...]


@dataclass(frozen=True)
class Paint:
    """Colors that a look picks from."""

    roads: Colors
    pavements: Colors
    marks: Rgb
    grass: Colors
    walls: Colors
    panes: Colors  # windows by day, windows with light or blinds
    doors: Colors
    leaves: Colors
    trunk: Rgb
    cars: Colors
    skins: Colors
    hair: Colors
    shirts: Colors
    trousers: Colors
    plates: tuple[tuple[Rgb, Rgb], ...]  # rim and field of a sign
    pole: Rgb
    skies: tuple[tuple[Rgb, Rgb], ...]  # at the top and at the horizon


@dataclass(frozen=True)
class Look:
    """Statistics and colors of a look, and whether it is made a photograph."""

    traits: Traits
    paint: Paint
    is_photo: bool


GAME_TRAITS = Traits(
    road_width=(7.0, 9.5),
    pavement_width=(2.4, 3.6),
    building_height=(7.0, 16.0),
    building_length=(8.0, 14.0),
    gap_share=0.18,
    num_cars=(2, 6),
    num_persons=(3, 7),
    num_signs=(2, 4),
    num_trees=(2, 6),
    camera_height=(2.0, 2.6),
    horizon=(0.42, 0.50),
    sideways=0.06,
)
STREET_TRAITS = Traits(
    road_width=(6.0, 13.0),
    pavement_width=(1.8, 4.8),
    building_height=(5.0, 22.0),
    building_length=(7.0, 20.0),
    gap_share=0.3,
    num_cars=(0, 9),
    num_persons=(1, 10),
    num_signs=(1, 5),
    num_trees=(1, 9),
    camera_height=(1.6, 3.0),
    horizon=(0.36, 0.54),
    sideways=0.12,
)
GAME_PAINT = Paint(
    roads=((92, 94, 102),),
    pavements=((196, 188, 172),),
    marks=(245, 245, 245),
    grass=((104, 190, 72),),
    walls=((222, 130, 92), (232, 194, 110), (206, 108, 112), (150, 158, 206), (230, 210, 176)),
    panes=((112, 168, 214), (250, 236, 160)),
    doors=((120, 72, 44), (60, 92, 140)),
    leaves=((58, 158, 60), (84, 178, 66)),
    trunk=(124, 82, 48),
    cars=((222, 44, 40), (40, 92, 220), (250, 198, 30), (36, 170, 92), (240, 240, 240)),
    skins=((240, 196, 160), (150, 100, 70)),
    hair=((70, 44, 28), (30, 26, 26), (226, 186, 96)),
    shirts=((236, 60, 140), (250, 140, 30), (60, 200, 220), (146, 72, 200)),
    trousers=((46, 62, 130), (60, 60, 66), (120, 84, 52)),
    plates=(((214, 26, 26), (255, 255, 255)), ((20, 82, 200), (40, 110, 230))),
    pole=(150, 152, 158),
    skies=(((96, 178, 250), (186, 226, 255)),),
)
STREET_PAINT = Paint(
    roads=((88, 86, 84), (112, 110, 106), (72, 74, 80), (126, 118, 108)),
    pavements=((138, 132, 124), (118, 116, 116), (152, 138, 122), (104, 98, 94)),
    marks=(198, 196, 186),
    grass=((92, 106, 52), (112, 112, 66), (70, 100, 50)),
    walls=(
        (128, 82, 66),
        (152, 138, 120),
        (112, 108, 106),
        (176, 164, 144),
        (94, 78, 70),
        (140, 146, 152),
        (164, 120, 92),
    ),
    panes=((54, 62, 72), (152, 158, 160)),
    doors=((66, 46, 36), (48, 54, 60), (92, 40, 36)),
    leaves=((60, 88, 40), (82, 108, 48), (118, 112, 50), (48, 80, 46), (140, 98, 44)),
    trunk=(72, 60, 50),
    cars=(
        (34, 36, 40),
        (150, 152, 156),
        (206, 206, 204),
        (82, 86, 92),
        (40, 54, 86),
        (118, 34, 34),
        (72, 84, 74),
    ),
    skins=((198, 152, 126), (120, 84, 64), (168, 124, 100)),
    hair=((48, 36, 28), (26, 24, 24), (122, 98, 66), (130, 126, 124)),
    shirts=(
        (40, 42, 52),
        (96, 34, 38),
        (92, 96, 86),
        (168, 160, 148),
        (50, 70, 104),
        (150, 104, 52),
    ),
    trousers=((36, 42, 60), (34, 34, 36), (92, 84, 74), (66, 74, 92)),
    plates=(
        ((176, 36, 38), (226, 222, 214)),
        ((34, 66, 132), (54, 92, 160)),
        ((214, 208, 196), (196, 166, 48)),
    ),
    pole=(112, 114, 116),
    skies=(
        ((104, 152, 214), (190, 212, 230)),
        ((168, 178, 192), (212, 216, 220)),
        ((134, 148, 172), (226, 206, 182)),
        ((92, 136, 200), (180, 204, 226)),
    ),
)

LOOKS = {
    'game': Look(GAME_TRAITS, GAME_PAINT, is_photo=False),
    'street': Look(STREET_TRAITS, STREET_PAINT, is_photo=True),
}


def pick(colors: tuple[Rgb, ...], share: float) -> Rgb:
    """Pick a color by a number in [0, 1)."""
    return colors[int(share * len(colors))]
