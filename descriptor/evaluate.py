"""Measure the exported copy descriptor: recall by family of copies, and what a threshold lets pass.

    python descriptor/evaluate.py DESCRIPTOR.onnx GALLERY.npy BACKGROUND.npy [--photos DIRECTORY …]

GALLERY.npy and BACKGROUND.npy hold uint8 of shape (n, 64, 64, 3), neither of them trained on. Copies are made by Pillow and
by Keras's own ``ImageDataGenerator``, not by the code that training uses; of the pictures below ``--photos`` they are made
at the pictures' own resolution, and the gallery is these pictures and GALLERY.npy together. Truth is the index of the source.
"""

from __future__ import annotations

import argparse
import io
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
from keras.src.legacy.preprocessing.image import ImageDataGenerator
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Copier = Callable[[Image.Image, np.random.Generator], Image.Image]

SIZE = 64
BATCH = 64
SHORT_SIDE = 256
"""Pixels that the short side of a photo is brought down to before copies are made, as the audit measures it."""
NEIGHBOURS = 10
"""Background pictures whose mean similarity a picture's scores are reduced by."""
FILL_MODES = ("nearest", "reflect", "wrap", "constant")
FALSE_PER_PICTURE = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)

# --------------------------------------------------------------------------------------------- copies


def _moved(image: Image.Image, matrix: NDArray[np.float64], fill: tuple[int, int, int] = (0, 0, 0)) -> Image.Image:
    """Resample by a 2 × 3 map from output to input, in units of half the sides, about the centre."""
    w, h = image.width / 2, image.height / 2
    (a, b, c), (d, e, f) = matrix
    data = (a, b * w / h, w * (c + 1 - a - b), d * h / w, e, h * (f + 1 - d - e))
    return image.transform(image.size, Image.Transform.AFFINE, data, Image.Resampling.BICUBIC, fillcolor=fill)


def _shift(image: Image.Image, rng: np.random.Generator, share: float) -> Image.Image:
    x, y = 2 * share * rng.choice([-1, 1], 2)
    return _moved(image, np.array([[1, 0, x], [0, 1, y]]))


def _zoom(image: Image.Image, _: np.random.Generator, factor: float) -> Image.Image:
    return _moved(image, np.array([[factor, 0, 0], [0, factor, 0]]))


def _shear(image: Image.Image, rng: np.random.Generator, degrees: float) -> Image.Image:
    return _moved(image, np.array([[1, rng.choice([-1, 1]) * np.tan(np.radians(degrees)), 0], [0, 1, 0]]))


def _rotate(image: Image.Image, rng: np.random.Generator, degrees: float) -> Image.Image:
    return image.rotate(degrees * rng.choice([-1, 1]), Image.Resampling.BICUBIC)


def _crop(image: Image.Image, rng: np.random.Generator, area: float) -> Image.Image:
    w, h = (max(8, round(side * area**0.5)) for side in image.size)
    x, y = rng.integers(0, image.width - w + 1), rng.integers(0, image.height - h + 1)
    return image.crop((x, y, x + w, y + h))


def _orient(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return image.transpose(rng.choice(list(Image.Transpose)))


def _jpeg(image: Image.Image, _: np.random.Generator, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def _resize(image: Image.Image, _: np.random.Generator) -> Image.Image:
    small = image.resize((max(1, image.width // 2), max(1, image.height // 2)), Image.Resampling.BILINEAR)
    return small.resize(image.size, Image.Resampling.BICUBIC)


def _blur(image: Image.Image, _: np.random.Generator) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(min(image.size) / 64 * 1.2))


def _noise(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    pixels = np.asarray(image) + rng.normal(0, 18, (image.height, image.width, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _grey(image: Image.Image, _: np.random.Generator) -> Image.Image:
    return image.convert("L").convert("RGB")


def _brightness(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(rng.choice([0.6, 1.4]))


def _contrast(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return ImageEnhance.Contrast(image).enhance(rng.choice([0.6, 1.6]))


def _colour(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    h, s, v = ImageEnhance.Color(image).enhance(rng.choice([0.5, 1.6])).convert("HSV").split()
    turn = int(rng.choice([-16, 16]))
    return Image.merge("HSV", (h.point(lambda value: (value + turn) % 256), s, v)).convert("RGB")


def _text(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    image = image.copy()
    words = "".join(rng.choice(list("ABCDEFGHKLMNPRSTUVXYZ 0123456789"), 10))
    size = image.height * rng.uniform(0.12, 0.25)
    at = (0.05 * image.width, rng.uniform(0.05, 0.7) * image.height)
    ImageDraw.Draw(image).text(at, words, fill=tuple(rng.integers(0, 256, 3).tolist()), font_size=size)
    return image


def _box(image: Image.Image, rng: np.random.Generator, area: float) -> tuple[int, int, int, int]:
    w, h = round(image.width * area**0.5), round(image.height * area**0.5)
    x, y = rng.integers(0, image.width - w + 1), rng.integers(0, image.height - h + 1)
    return int(x), int(y), int(x + w), int(y + h)


def _logo(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    image = image.copy()
    box = _box(image, rng, 0.15)
    draw = ImageDraw.Draw(image)
    draw.ellipse(box, fill=tuple(rng.integers(0, 256, 3).tolist()))
    draw.line((*box[:2], *box[2:]), fill=(255, 255, 255), width=max(2, image.width // 20))
    return image


def _patch(image: Image.Image, rng: np.random.Generator, area: float, others: Sequence[Image.Image]) -> Image.Image:
    image = image.copy()
    box = _box(image, rng, area)
    other = others[rng.integers(len(others))]
    image.paste(other.resize((box[2] - box[0], box[3] - box[1])), box[:2])
    return image


def _border(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    width = max(1, round(0.1 * min(image.size)))
    return ImageOps.expand(image, width, fill=tuple(rng.integers(0, 256, 3).tolist()))


def _letterbox(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    w, h = image.size
    frame = Image.new("RGB", (w, round(h * 1.4)) if rng.integers(2) else (round(w * 1.4), h))
    frame.paste(image, ((frame.width - w) // 2, (frame.height - h) // 2))
    return frame


def _keras(image: Image.Image, rng: np.random.Generator, generator: ImageDataGenerator) -> Image.Image:
    pixels = generator.random_transform(np.asarray(image, np.float32), seed=int(rng.integers(2**31)))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _both(image: Image.Image, rng: np.random.Generator, first: Copier, second: Copier) -> Image.Image:
    return second(first(image, rng), rng)


def families(others: Sequence[Image.Image]) -> dict[str, tuple[Copier, Copier | None]]:
    """Return, by name, how the query is made, and how the gallery's picture is (None: it is the original)."""
    full = {
        "rotation_range": 20,
        "width_shift_range": 0.2,
        "height_shift_range": 0.2,
        "shear_range": 0.2,
        "zoom_range": 0.2,
        "horizontal_flip": True,
    }
    policies = {mode: partial(_keras, generator=ImageDataGenerator(**full, fill_mode=mode)) for mode in FILL_MODES}
    one: dict[str, Copier] = {f"jpeg {q}": partial(_jpeg, quality=q) for q in (30, 70)}
    one |= {"resize 1/2": _resize, "blur": _blur, "noise": _noise, "grey": _grey}
    one |= {"brightness": _brightness, "contrast": _contrast, "colour": _colour, "flips, turns": _orient}
    one |= {f"rotation {d}°": partial(_rotate, degrees=d) for d in (5, 15, 20, 30)}
    one |= {f"crop {a:.0%}": partial(_crop, area=a) for a in (0.9, 0.8, 0.7, 0.6, 0.5)}
    one |= {f"shift {s:.0%}": partial(_shift, share=s) for s in (0.1, 0.2)}
    one |= {"zoom in 1.3": partial(_zoom, factor=1 / 1.3), "zoom out 1.4": partial(_zoom, factor=1.4)}
    one |= {"shear 10°": partial(_shear, degrees=10), "shear 20°": partial(_shear, degrees=20)}
    one |= {"text": _text, "logo": _logo} | {f"patch {a:.0%}": partial(_patch, area=a, others=others) for a in (0.2, 0.33)}
    one |= {"border": _border, "letterbox": _letterbox}
    one |= {"turn + crop 70%": partial(_both, first=_orient, second=partial(_crop, area=0.7))}
    one |= {"text + jpeg 30": partial(_both, first=_text, second=partial(_jpeg, quality=30))}
    one |= {f"keras {mode}": policy for mode, policy in policies.items()}
    found: dict[str, tuple[Copier, Copier | None]] = {name: (copier, None) for name, copier in one.items()}
    found |= {f"siblings {mode}": (policy, policy) for mode, policy in policies.items()}
    found["siblings patch 20% / keras"] = (one["patch 20%"], policies["nearest"])
    return found


# ------------------------------------------------------------------------------------------ descriptors


class Descriptor:
    """The exported network, run on one thread in batches of one size."""

    def __init__(self, path: Path) -> None:
        """Load the ONNX file at ``path``."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.seconds, self.pictures = 0.0, 0

    def __call__(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return descriptors, float32 (n, d), rounded to float16 as they are stored."""
        found = []
        for at in range(0, len(pictures), BATCH):
            part = pictures[at : at + BATCH]
            batch = np.zeros((BATCH, SIZE, SIZE, 3), np.uint8)
            batch[: len(part)] = part
            start = time.process_time()
            found.append(self._session.run(["embedding"], {"picture": batch})[0][: len(part)])
            self.seconds, self.pictures = self.seconds + time.process_time() - start, self.pictures + BATCH
        return np.concatenate(found).astype(np.float16).astype(np.float32)


def squash(image: Image.Image) -> NDArray[np.uint8]:
    """Bring a picture to the network's input as the audit does."""
    return np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BOX if min(image.size) > SIZE else Image.Resampling.BICUBIC))


def nearness(descriptors: NDArray[np.float32], ground: NDArray[np.float32], *, within: bool = False) -> NDArray[np.float32]:
    """Return each descriptor's mean similarity to its ``NEIGHBOURS`` nearest in ``ground``, shape (n,).

    ``within``: the descriptors are themselves in ``ground``, and each one's nearest, itself, is left out.
    """
    found = []
    for part in np.array_split(descriptors, 32):
        best = np.sort(np.partition(part @ ground.T, -NEIGHBOURS - 1)[:, -NEIGHBOURS - 1 :])
        found.append((best[:, :-1] if within else best[:, 1:]).mean(1))
    return np.concatenate(found)


# --------------------------------------------------------------------------------------------- measuring


@dataclass(frozen=True, slots=True)
class Copies:
    """The copies of one family: descriptors of the queries and of what each of them should find, float32 (n, d)."""

    queries: NDArray[np.float32]
    targets: NDArray[np.float32]
    of_originals: bool
    """Whether the targets are originals of the gallery; else they are copies too, and the queries' siblings."""

    def similarities(self) -> NDArray[np.float32]:
        """Return each query's similarity to its target, shape (n,)."""
        return np.einsum("nd,nd->n", self.queries, self.targets)

    def scores(self, ground: NDArray[np.float32], beta: float, *, within: bool) -> NDArray[np.float32]:
        """Return the similarities less ``beta`` times the nearness of both, shape (n,); ``within``: originals are the ground."""
        near = nearness(self.queries, ground) + nearness(self.targets, ground, within=within and self.of_originals)
        return self.similarities() - beta * near


def evaluate(
    describe: Descriptor, images: Sequence[Image.Image], extra: NDArray[np.uint8], background: NDArray[np.uint8], n: int
) -> None:
    """Print recall by family and by threshold for copies of ``n`` random ``images``.

    Args:
        describe: the network.
        images: the pictures that copies are made of; all of them are in the gallery.
        extra: further pictures in the gallery; no false pairs are counted among them.
        background: other pictures, that scores are normalised against.
        n: queries a family.
    """
    rng = np.random.default_rng(0)
    chosen = rng.permutation(len(images))[:n]
    pool = [images[i] for i in rng.permutation(len(images))[:50]]
    originals = describe(np.stack([squash(image) for image in images]))
    gallery = np.concatenate([originals, describe(extra)]) if len(extra) else originals
    print(f"gallery {len(gallery)}, background {len(background)}, {len(chosen)} queries a family")
    print(f"{'family':<28} top 1   top 5  top 20 top 100 | median similarity")
    measured = {}
    for name, (make, make_other) in families(pool).items():
        rng = np.random.default_rng(1)
        queries = describe(np.stack([squash(make(images[i], rng)) for i in chosen]))
        targets = originals[chosen]
        if make_other is not None:
            targets = describe(np.stack([squash(make_other(images[i], rng)) for i in chosen]))
        measured[name] = copies = Copies(queries, targets, make_other is None)
        own, similar = copies.similarities(), queries @ gallery.T
        similar[np.arange(len(chosen)), chosen] = -1
        rank = (similar >= own[:, None]).sum(1)
        recall = "   ".join(f"{(rank < k).mean():.3f}" for k in (1, 5, 20, 100))
        print(f"{name:<28} {recall} | {np.median(own):.3f}", flush=True)
    _print_costs("the pictures themselves", originals, originals, measured)
    _print_costs("the background", originals, describe(background), measured)


def _print_costs(title: str, originals: NDArray[np.float32], ground: NDArray[np.float32], measured: dict[str, Copies]) -> None:
    """Print, by how many unrelated pairs a picture may pass, the threshold and the recall that it leaves."""
    groups: dict[str, list[Copies]] = {"single": [], "overlay": [], "keras": [], "siblings": []}
    for name, copies in measured.items():
        first = name.split()[0]
        groups["overlay" if first in {"patch", "text", "logo"} else first if first in groups else "single"].append(copies)
    within = ground is originals
    near = nearness(originals, ground, within=within)
    for beta in (0.0, 0.25, 0.5):
        passing = _strangers(originals, near, beta)
        print(f"score = similarity - {beta} × (nearness of both to {title})")
        print(f"false pairs a picture | threshold | recall: {', '.join(groups)}")
        scores = {name: [copies.scores(ground, beta, within=within) for copies in group] for name, group in groups.items()}
        for allowed in FALSE_PER_PICTURE:
            threshold = passing[min(round(allowed * len(originals)), len(passing) - 1)]
            recalls = [np.mean([(score > threshold).mean() for score in group]) for group in scores.values()]
            print(f"{allowed:>6} | {threshold:.3f} | " + "  ".join(f"{recall:.3f}" for recall in recalls), flush=True)


def _strangers(gallery: NDArray[np.float32], near: NDArray[np.float32], beta: float) -> NDArray[np.float32]:
    """Return the highest scores of pairs of gallery pictures, falling; enough of them for ``FALSE_PER_PICTURE``."""
    wanted = round(max(FALSE_PER_PICTURE) * len(gallery)) + 1
    best = np.empty(0, np.float32)
    for at in range(0, len(gallery), 1000):
        part = gallery[at : at + 1000] @ gallery.T - beta * (near[at : at + 1000, None] + near)
        rows, columns = np.triu_indices(len(part), 1 + at, len(gallery))
        best = np.concatenate([best, part[rows, columns]])
        best = np.sort(best)[::-1][:wanted]
    return best


def _photos(directory: Path) -> list[Image.Image]:
    """Read the JPEGs and PNGs below a directory, in order, their short side brought to ``SHORT_SIDE``."""
    found = []
    for path in sorted(directory.rglob("*")):
        if path.suffix.lower() in {".jpg", ".jpeg", ".png"}:
            image = Image.open(path).convert("RGB")
            scale = min(1.0, SHORT_SIDE / min(image.size))
            found.append(image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS))
    return found


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description="Measure the copy descriptor.")
    parser.add_argument("descriptor", type=Path)
    parser.add_argument("gallery", type=Path, help="uint8 array (n, 64, 64, 3), as .npy; never trained on")
    parser.add_argument("background", type=Path, help="likewise, other pictures")
    parser.add_argument("--photos", type=Path, nargs="*", default=[], help="directories of photos to take copies of instead")
    parser.add_argument("--queries", type=int, default=500, help="a family")
    arguments = parser.parse_args()
    describe = Descriptor(arguments.descriptor)
    gallery, background = np.load(arguments.gallery), np.load(arguments.background)
    if not arguments.photos:
        evaluate(describe, [Image.fromarray(picture) for picture in gallery], gallery[:0], background, arguments.queries)
    for directory in arguments.photos:
        print(directory)
        evaluate(describe, _photos(directory), gallery, background, arguments.queries)
    print(f"{1000 * describe.seconds / describe.pictures:.2f} ms a picture (CPU time, one thread, batches of {BATCH})")


if __name__ == "__main__":
    main()
