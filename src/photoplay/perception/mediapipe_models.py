"""The only module that knows MediaPipe: small square RGB images in, NumPy arrays out.

The 0.10.21 wheel carries its models as TensorFlow Lite files. Each is run by a graph of our own that takes one image of the
model's size and gives back the model's answer, so that search, cropping and rotation stay in photoplay (its ready-made
"solutions" search again inside every crop, know one body only and hide the scores). The figures in the graphs (tensor
sizes, value ranges, anchors) are properties of the models, read from MediaPipe's Apache-2.0 graph files.

Points are in pixels of the image handed in, 0 at its left or upper edge (a pixel's centre is at .5).
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32

from photoplay.device import one_process
from photoplay.errors import UnavailableError
from photoplay.types import Array, Rgb

DetectorKind = Literal["full_range", "short_range", "body", "palm"]

MESH_SIZE = 192
POSE_SIZE = 256
SELFIE_SIZE = 256
DETECTOR_SIZE: dict[DetectorKind, int] = {"full_range": 192, "short_range": 128, "body": 224, "palm": 192}

_NOISE = re.compile(
    rb"^(INFO: Created TensorFlow Lite|WARNING: All log messages before absl|[IWE]\d{4} .*(inference_feedback_manager"
    rb"|landmark_projection_calculator|gl_context|face_landmarker).*)"
)
_STDERR_LOCK = threading.Lock()


@contextmanager
def _without_startup_noise() -> Iterator[None]:
    """Keeps the C++ start-up lines of MediaPipe out of stderr; whatever else is written meanwhile is passed on."""
    with _STDERR_LOCK, tempfile.TemporaryFile() as caught:
        sys.stderr.flush()
        kept = os.dup(2)
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            caught.seek(0)
            for line in caught:
                if not _NOISE.match(line):
                    os.write(kept, line)
            os.close(kept)


@cache
def _bindings() -> dict[str, Any]:
    """MediaPipe's C++ bindings, imported on first use (half a second)."""
    try:
        with _without_startup_noise():
            from mediapipe.python import packet_creator, packet_getter
            from mediapipe.python._framework_bindings import calculator_graph, image_frame, resource_util
    except ImportError as error:
        raise UnavailableError(
            "mediapipe_missing",
            "The face and body models are not installed.",
            "Install photoplay with its dependencies on Python 3.11 or 3.12 (mediapipe 0.10.21).",
        ) from error
    resource_util.set_resource_dir(str(Path(packet_creator.__file__).parents[2]))
    return {
        "graph": calculator_graph.CalculatorGraph,
        "format": image_frame.ImageFormat.SRGB,
        "create": packet_creator.create_image_frame,
        "get": packet_getter,
    }


def _input(size: int, low: int) -> str:
    """Image -> input tensor with values ``low``..1."""
    return f"""
        input_stream: "image"
        node {{ calculator: "ToImageCalculator" input_stream: "IMAGE_CPU:image" output_stream: "IMAGE:any_image" }}
        node {{ calculator: "ImageToTensorCalculator" input_stream: "IMAGE:any_image" output_stream: "TENSORS:input"
          options {{ [mediapipe.ImageToTensorCalculatorOptions.ext] {{
            output_tensor_width: {size} output_tensor_height: {size}
            output_tensor_float_range {{ min: {low} max: 1 }} }} }} }}"""


def _model(path: str) -> str:
    """Input tensor -> output tensors, on the CPU with MediaPipe's own extra operators."""
    return f"""
        node {{ calculator: "TfLiteCustomOpResolverCalculator" output_side_packet: "OP_RESOLVER:operators" }}
        node {{ calculator: "ConstantSidePacketCalculator" output_side_packet: "PACKET:path"
          options {{ [mediapipe.ConstantSidePacketCalculatorOptions.ext] {{
            packet {{ string_value: "mediapipe/modules/{path}.tflite" }} }} }} }}
        node {{ calculator: "ResourceProviderCalculator"
          input_side_packet: "RESOURCE_ID:path" output_side_packet: "RESOURCE:resource" }}
        node {{ calculator: "TfLiteModelCalculator"
          input_side_packet: "MODEL_RESOURCE:resource" output_side_packet: "MODEL:model" }}
        node {{ calculator: "InferenceCalculatorCpu" input_stream: "TENSORS:input" output_stream: "TENSORS:output"
          input_side_packet: "MODEL:model" input_side_packet: "OP_RESOLVER:operators"
          options {{ [mediapipe.InferenceCalculatorOptions.ext] {{ delegate {{ xnnpack {{ num_threads: 1 }} }} }} }} }}"""


def _split(names: tuple[str, ...], ends: tuple[int, ...]) -> str:
    """Output tensors -> streams of consecutive tensors."""
    outputs = " ".join(f'output_stream: "{name}"' for name in names)
    ranges = " ".join(f"ranges {{ begin: {b} end: {e} }}" for b, e in zip((0, *ends), ends, strict=False))
    return f"""
        node {{ calculator: "SplitTensorVectorCalculator" input_stream: "output" {outputs}
          options {{ [mediapipe.SplitVectorCalculatorOptions.ext] {{ {ranges} }} }} }}"""


def _score(tensor: str, activation: str) -> str:
    return f"""
        output_stream: "score"
        node {{ calculator: "TensorsToFloatsCalculator" input_stream: "TENSORS:{tensor}" output_stream: "FLOAT:score"
          options {{ [mediapipe.TensorsToFloatsCalculatorOptions.ext] {{ activation: {activation} }} }} }}"""


def _detector(path: str, size: int, low: int, anchors: tuple[int, str], coords: tuple[int, int], least: float) -> str:
    """A single-shot detector: ``anchors`` are number and strides, ``coords`` values and keypoints per box."""
    boxes, strides = anchors
    values, keypoints = coords
    layers = " ".join(f"strides: {stride}" for stride in strides.split())
    extra = 0 if " " not in strides else 1
    return f"""{_input(size, low)}{_model(path)}
        output_stream: "detections"
        node {{ calculator: "SsdAnchorsCalculator" output_side_packet: "anchors"
          options {{ [mediapipe.SsdAnchorsCalculatorOptions.ext] {{
            input_size_width: {size} input_size_height: {size} min_scale: 0.1484375 max_scale: 0.75
            anchor_offset_x: 0.5 anchor_offset_y: 0.5 num_layers: {len(strides.split())} {layers} aspect_ratios: 1
            interpolated_scale_aspect_ratio: {extra} fixed_anchor_size: true }} }} }}
        node {{ calculator: "TensorsToDetectionsCalculator" input_stream: "TENSORS:output"
          input_side_packet: "ANCHORS:anchors" output_stream: "DETECTIONS:raw"
          options {{ [mediapipe.TensorsToDetectionsCalculatorOptions.ext] {{
            num_classes: 1 num_boxes: {boxes} num_coords: {values} keypoint_coord_offset: 4 num_keypoints: {keypoints}
            num_values_per_keypoint: 2 box_coord_offset: 0 x_scale: {size} y_scale: {size} w_scale: {size}
            h_scale: {size} reverse_output_order: true sigmoid_score: true score_clipping_thresh: 100
            min_score_thresh: {least} }} }} }}
        node {{ calculator: "NonMaxSuppressionCalculator" input_stream: "raw" output_stream: "detections"
          options {{ [mediapipe.NonMaxSuppressionCalculatorOptions.ext] {{
            min_suppression_threshold: 0.3 overlap_type: INTERSECTION_OVER_UNION algorithm: WEIGHTED }} }} }}"""


_DETECTORS: dict[DetectorKind, str] = {
    "full_range": _detector(
        "face_detection/face_detection_full_range_sparse", 192, -1, (2304, "4"), (16, 6), least=0.35
    ),
    "short_range": _detector("face_detection/face_detection_short_range", 128, -1, (896, "8 16 16 16"), (16, 6), 0.35),
    "body": _detector("pose_detection/pose_detection", 224, -1, (2254, "8 16 32 32 32"), (12, 4), least=0.3),
    "palm": _detector("palm_detection/palm_detection_full", 192, 0, (2016, "8 16 16 16"), (18, 7), least=0.5),
}

_MESH = f"""{_input(MESH_SIZE, 0)}{_model("face_landmark/face_landmark_with_attention")}
    {_split(("mesh", "flag"), (6, 7))}{_score("flag", "SIGMOID")}
    output_stream: "landmarks"
    node {{ calculator: "TensorsToFaceLandmarksWithAttention"
      input_stream: "TENSORS:mesh" output_stream: "LANDMARKS:landmarks" }}"""

_POSE = f"""{_input(POSE_SIZE, 0)}{_model("pose_landmark/pose_landmark_full")}
    {_split(("points", "flag", "person", "heatmap"), (1, 2, 3, 4))}{_score("flag", "NONE")}
    output_stream: "landmarks" output_stream: "mask"
    node {{ calculator: "TensorsToLandmarksCalculator" input_stream: "TENSORS:points" output_stream: "NORM_LANDMARKS:rough"
      options {{ [mediapipe.TensorsToLandmarksCalculatorOptions.ext] {{
        num_landmarks: 39 input_image_width: {POSE_SIZE} input_image_height: {POSE_SIZE}
        visibility_activation: SIGMOID presence_activation: SIGMOID }} }} }}
    node {{ calculator: "RefineLandmarksFromHeatmapCalculator" input_stream: "NORM_LANDMARKS:rough"
      input_stream: "TENSORS:heatmap" output_stream: "NORM_LANDMARKS:landmarks"
      options {{ [mediapipe.RefineLandmarksFromHeatmapCalculatorOptions.ext] {{ kernel_size: 7 }} }} }}
    node {{ calculator: "TensorsToSegmentationCalculator" input_stream: "TENSORS:person" output_stream: "MASK:any_mask"
      options {{ [mediapipe.TensorsToSegmentationCalculatorOptions.ext] {{ gpu_origin: TOP_LEFT activation: SIGMOID }} }} }}
    node {{ calculator: "FromImageCalculator" input_stream: "IMAGE:any_mask" output_stream: "IMAGE_CPU:mask" }}"""

_SELFIE = f"""{_input(SELFIE_SIZE, 0)}{_model("selfie_segmentation/selfie_segmentation")}
    output_stream: "mask"
    node {{ calculator: "TensorsToSegmentationCalculator" input_stream: "TENSORS:output" output_stream: "MASK:any_mask"
      options {{ [mediapipe.TensorsToSegmentationCalculatorOptions.ext] {{ activation: NONE }} }} }}
    node {{ calculator: "FromImageCalculator" input_stream: "IMAGE:any_mask" output_stream: "IMAGE_CPU:mask" }}"""


class _Graph:
    """A running graph: one image in, packets by name out. Safe to call from several threads, which then take turns."""

    def __init__(self, text: str, size: int, outputs: tuple[str, ...]) -> None:
        self._lock = threading.Lock()
        self._size = size
        self._packets: dict[str, Any] = {}
        self._time = 0
        bindings = _bindings()
        with _without_startup_noise():
            self._graph = bindings["graph"](graph_config=text)
            for name in outputs:
                self._graph.observe_output_stream(name, self._packets.__setitem__, True)
            self._graph.start_run()
            self(np.zeros((size, size, 3), np.uint8))

    def __call__(self, rgb: Rgb) -> dict[str, Any]:
        if rgb.shape != (self._size, self._size, 3):
            raise ValueError(
                f"this model takes {self._size} x {self._size} images, not {rgb.shape[1]} x {rgb.shape[0]}"
            )
        bindings = _bindings()
        with self._lock:
            self._packets.clear()
            self._time += 1
            packet = bindings["create"](image_format=bindings["format"], data=np.ascontiguousarray(rgb))
            self._graph.add_packet_to_input_stream("image", packet.at(self._time))
            self._graph.wait_until_idle()
            return dict(self._packets)


class MeshModel:
    """FaceMesh with attention: a face crop of 192 x 192 to 478 points and the probability that it shows a face."""

    def __init__(self) -> None:
        self._graph = _Graph(_MESH, MESH_SIZE, ("landmarks", "score"))

    def __call__(self, crop: Rgb) -> tuple[Float32[Array, "478 3"], float]:
        """The crop should hold 1.5 times the face, upright. z is in crop pixels too, smaller is nearer."""
        packets = self._graph(crop)
        get = _bindings()["get"]
        points = _points(get.get_proto(packets["landmarks"]).landmark)[:, :3] * MESH_SIZE
        return points, float(get.get_float(packets["score"]))


class Detector:
    """A single-shot detector for faces, bodies or palms."""

    def __init__(self, kind: DetectorKind) -> None:
        self.size = DETECTOR_SIZE[kind]
        self._graph = _Graph(_DETECTORS[kind], self.size, ("detections",))

    def __call__(self, square: Rgb) -> tuple[Float32[Array, "n 4"], Float32[Array, n], Float32[Array, "n k 2"]]:
        """Boxes (x0, y0, x1, y1), scores and key points in pixels of ``square`` (``size`` x ``size``).

        Faces: right eye, left eye, nose tip, mouth, right ear, left ear. Bodies (the box is the head's): hip centre and a
        point on the circle around the whole body, shoulder centre and one on the upper body's circle.
        """
        packet = self._graph(square)["detections"]
        found = [] if packet.is_empty() else _bindings()["get"].get_proto_list(packet)
        rows, scores, keys = [], [], []
        for one in found:
            box = one.location_data.relative_bounding_box
            rows.append((box.xmin, box.ymin, box.xmin + box.width, box.ymin + box.height))
            scores.append(one.score[0])
            keys.append([(point.x, point.y) for point in one.location_data.relative_keypoints])
        boxes = np.array(rows, np.float32).reshape(-1, 4) * np.float32(self.size)
        points = np.array(keys, np.float32).reshape(len(rows), -1, 2) if rows else np.zeros((0, 1, 2), np.float32)
        return boxes, np.array(scores, np.float32), points * np.float32(self.size)


@dataclass(frozen=True)
class PoseReading:
    """BlazePose's answer for one crop, in crop pixels: joints (z relative to the hips), their visibility, the circle
    around the whole body (its centre and a point on it), the probability of a person, and a person mask."""

    joints: Float32[Array, "33 3"]
    visibility: Float32[Array, 33]
    circle: Float32[Array, "2 2"]
    presence: float
    mask: Float32[Array, "256 256"]


class PoseModel:
    """BlazePose (full): a square body crop of 256 x 256 to 33 joints and a mask."""

    def __init__(self) -> None:
        self._graph = _Graph(_POSE, POSE_SIZE, ("landmarks", "score", "mask"))

    def __call__(self, crop: Rgb) -> PoseReading:
        """The crop is a square around the hip centre that holds the whole body, upright (it may reach out of the photo)."""
        packets = self._graph(crop)
        get = _bindings()["get"]
        rows = _points(get.get_proto(packets["landmarks"]).landmark)
        return PoseReading(
            joints=rows[:33, :3] * POSE_SIZE,
            visibility=np.ascontiguousarray(rows[:33, 3] * rows[:33, 4]),
            circle=rows[33:35, :2] * POSE_SIZE,
            presence=float(get.get_float(packets["score"])),
            mask=_mask(get.get_image_frame(packets["mask"]), POSE_SIZE),
        )


class SelfieModel:
    """Selfie segmentation: any crop squeezed to 256 x 256 to the probability that a pixel shows a person."""

    def __init__(self) -> None:
        self._graph = _Graph(_SELFIE, SELFIE_SIZE, ("mask",))

    def __call__(self, crop: Rgb) -> Float32[Array, "256 256"]:
        return _mask(_bindings()["get"].get_image_frame(self._graph(crop)["mask"]), SELFIE_SIZE)


def _points(landmarks: Any) -> Float32[Array, "n 5"]:
    rows = [(point.x, point.y, point.z, point.visibility, point.presence) for point in landmarks]
    return np.array(rows, np.float32)


def _mask(frame: Any, size: int) -> Float32[Array, "h w"]:
    return np.array(frame.numpy_view(), np.float32).reshape(size, size)


class Models:
    """The models of one reader, each loaded when it is first asked for, and used by the process that loaded them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded: dict[str, Any] = {}

    def _get(self, name: str, make: Any) -> Any:
        one_process()
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = make()
            return self._loaded[name]

    def detector(self, kind: DetectorKind) -> Detector:
        detector: Detector = self._get(kind, lambda: Detector(kind))
        return detector

    @property
    def mesh(self) -> MeshModel:
        model: MeshModel = self._get("mesh", MeshModel)
        return model

    @property
    def pose(self) -> PoseModel:
        model: PoseModel = self._get("pose", PoseModel)
        return model

    @property
    def selfie(self) -> SelfieModel:
        model: SelfieModel = self._get("selfie", SelfieModel)
        return model
