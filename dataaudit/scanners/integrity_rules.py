"""The INT rules: what each means for a Keras user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dataaudit.domain import Rule

if TYPE_CHECKING:
    from dataaudit.domain import FailureKind

__all__ = ["RULES", "RULE_OF_FAILURE", "rule"]

RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "INT101",
        "unreadable",
        "error",
        "The file cannot be read as a picture",
        "One such file stops model.fit in the middle of an epoch, and TensorFlow's error does not name it.",
        "Fetch the file again or delete it. `dataaudit split` leaves it out of the manifest.",
    ),
    Rule(
        "INT102",
        "truncated",
        "error",
        "The picture ends before it is complete",
        "TensorFlow either stops in mid-epoch or trains on a picture whose lower part is missing.",
        "Copy the file again from its source; an interrupted download or a full disk is the usual cause.",
    ),
    Rule(
        "INT103",
        "too-many-pixels",
        "error",
        "The picture declares more pixels than the limit",
        "TensorFlow has no guard: a file of a few bytes can ask for gigabytes of memory and kill the training.",
        "Check whether it is a real photograph. If so, shrink it or raise max_pixels in the configuration.",
    ),
    Rule(
        "INT104",
        "unmeasurable",
        "error",
        "Decoding the file hangs, exhausts memory or crashes",
        "What kills a decoder here can stall or kill the input pipeline of your training.",
        "Open it in an image editor and save it anew, or delete it; if it is only slow, raise file_timeout or file_memory.",
    ),
    Rule(
        "INT105",
        "not-decodable-by-tensorflow",
        "error",
        "The content is in a format that TensorFlow cannot decode",
        "tf.io.decode_image takes JPEG, PNG, GIF, BMP, WebP and JPEG XL; anything else stops model.fit or is never loaded.",
        "Convert the file to PNG or JPEG, whatever its extension says.",
    ),
    Rule(
        "INT106",
        "ignored-by-keras",
        "warning",
        "Keras's folder loader skips the file without a word",
        "image_dataset_from_directory loads only .bmp .gif .jpeg .jpg .png; your model never sees this picture, and class "
        "counts are lower than you think.",
        "Convert the file to JPEG or PNG and give it that extension.",
    ),
    Rule(
        "INT107",
        "extension-mismatch",
        "info",
        "The extension names another format than the content has",
        "TensorFlow goes by the content, so training works; other tools go by the name and may fail.",
        "Rename the file to match its content.",
    ),
    Rule(
        "INT108",
        "exif-orientation",
        "info",
        "The picture is stored turned or mirrored, with a note in its EXIF data",
        "Viewers turn it upright; TensorFlow and Keras ignore the note, so the model sees it lying on its side. It matters "
        "most if what you predict on later is upright.",
        "Apply the orientation to the pixels once, for instance with `mogrify -auto-orient` or PIL.ImageOps.exif_transpose.",
    ),
    Rule(
        "INT109",
        "unusual-mode",
        "info",
        "The picture is not a still 8-bit grey or RGB picture",
        "Alpha is dropped, 16 bits are cut, CMYK is converted and animations lose all but one frame, each in the decoder's way.",
        "If there are many, convert all pictures to 8-bit RGB yourself, so that you know what the model sees.",
    ),
    Rule(
        "INT110",
        "blank",
        "warning",
        "The picture is flat: nothing, or next to nothing, is on it",
        "A blank picture with a label teaches nothing, and flat pictures cannot be compared by content.",
        "Look at it; delete it if it is a failed scan or download.",
    ),
    Rule(
        "INT111",
        "tiny",
        "info",
        "The picture is smaller than 32 pixels on its short side",
        "Enlarged to the model's input size it is a blur, often a thumbnail that slipped in among photographs.",
        "Replace it by the full-size picture where there is one.",
    ),
    Rule(
        "INT112",
        "irregular-entry",
        "info",
        "Not a regular file: a pipe, device, dangling link, link loop, unfollowed folder link or unreadable folder",
        "It is not audited. Keras may hang on a pipe and fails on a dangling link.",
        "Remove it, repair the link, or use --follow-links for links to folders.",
    ),
    Rule(
        "INT113",
        "link-out-of-dataset",
        "info",
        "The sample is a link to a file outside the dataset",
        "The picture can change or vanish without the dataset being touched, and a copy of the dataset loses it.",
        "Copy the file into the dataset, unless the link is meant.",
    ),
    Rule(
        "INT114",
        "colliding-names",
        "warning",
        "Names that are equal but for upper and lower case or Unicode form",
        "On Windows and macOS one replaces the other: pictures or whole classes vanish or merge when the dataset is copied.",
        "Rename one of them; if they are two spellings of one class folder, merge the folders.",
    ),
    Rule(
        "INT115",
        "non-utf8-name",
        "error",
        "The name is not valid UTF-8",
        "One such name makes image_dataset_from_directory fail for the whole dataset.",
        "Rename the file, for instance with `convmv -f latin1 -t utf8 --notest`.",
    ),
    Rule(
        "INT116",
        "hidden-image",
        "warning",
        "A hidden file with an image's name, or one in a hidden folder, which Keras will load",
        "Keras's folder loader skips neither hidden files nor hidden folders inside a class: macOS's `._x.jpg` are no pictures "
        "and stop model.fit; what lies in `.ipynb_checkpoints` is a copy.",
        "Delete it: `find DATASET -name '._*' -delete` for macOS's leftovers.",
    ),
    Rule(
        "INT119",
        "dead-image",
        "warning",
        "A dangling link, pipe or the like with an image's name, which Keras will try to load",
        "image_dataset_from_directory goes by names alone: model.fit stops at it in mid-epoch (or, at a pipe, hangs for ever).",
        "Remove it, or repair the link.",
    ),
    Rule(
        "INT120",
        "zeroed-blocks",
        "warning",
        "Blocks of zeros where a disk block of the picture was lost",
        "The picture decodes, and is grey, shifted or discoloured from there on: Pillow and TensorFlow say nothing.",
        "Look at it; copy it again from its source. A failing disk or an interrupted copy is the usual cause.",
    ),
    Rule(
        "INT121",
        "trailing-data",
        "info",
        "Bytes follow the end of the picture",
        "No decoder reads them: an editor's leavings, another file, an archive. They matter for privacy and size alone.",
        "If they are not meant, save the picture anew.",
    ),
    Rule(
        "INT122",
        "damaged-pixels",
        "warning",
        "The coded pixels are damaged, though the picture decodes",
        "A part of the picture is grey, shifted or discoloured: Pillow and TensorFlow say nothing, and the model trains on it.",
        "Look at it; copy it again from its source, or save it anew if it looks right.",
    ),
    Rule(
        "INT123",
        "content-changed",
        "error",
        "The content is not what the committed digest says, or the file is missing",
        "Scores of two runs cannot be compared if the data between them are not the same.",
        "Restore the file, or, if the change is meant, write the list of digests anew.",
    ),
    Rule(
        "INT124",
        "not-in-hash-list",
        "info",
        "The committed list of digests does not name the file",
        "What is not listed cannot be compared: it may be new, or changed since.",
        "If it belongs to the dataset, write the list of digests anew.",
    ),
    Rule(
        "INT117",
        "rejected-by-tensorflow",
        "error",
        "A file that Pillow reads, and TensorFlow refuses",
        "It looks whole in every viewer, yet tf.io.decode_image raises: model.fit stops in mid-epoch, and the error does not "
        "name the file.",
        "Save it anew as 8-bit RGB: `Image.open(f).convert('RGB').save('….png')`; where it was cut off, copy it again from its "
        "source. The pipeline.py that `dataaudit split` writes reads such files with Pillow.",
    ),
    Rule(
        "INT118",
        "misread-by-tensorflow",
        "error",
        "A file that TensorFlow reads, without a word, as another picture",
        "tf.io.decode_image ignores what the file says of its colours (a BMP's palette or masks, CMYK without a marker): the "
        "model trains on a picture that no viewer shows.",
        "Save it anew as an 8-bit RGB PNG: `Image.open(f).convert('RGB').save('….png')`. The pipeline.py that `dataaudit split` "
        "writes reads such files with Pillow.",
    ),
)

_BY_CODE: Final = {each.code: each for each in RULES}


def rule(code: str) -> Rule:
    """Return the INT rule of ``code``."""
    return _BY_CODE[code]


RULE_OF_FAILURE: Final[dict[FailureKind, Rule]] = {
    "unreadable": rule("INT101"),
    "truncated": rule("INT102"),
    "too-many-pixels": rule("INT103"),
    "timeout": rule("INT104"),
    "memory": rule("INT104"),
    "crash": rule("INT104"),
}
