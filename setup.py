"""Metadata and extras of dmls-tf; the version lives in dmls_tf/__init__.py."""

import pathlib
import re

from setuptools import find_packages, setup

ROOT = pathlib.Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (ROOT / "dmls_tf/__init__.py").read_text()).group(1)

setup(
    name="dmls-tf",
    version=VERSION,
    description="Deep Multiphase Level Set for scene parsing, in TensorFlow and Keras 3",
    long_description=(ROOT / "README.md").read_text(),
    long_description_content_type="text/markdown",
    packages=find_packages(include=["dmls_tf*"]),
    python_requires=">=3.10",
    classifiers=[
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        *(f"Programming Language :: Python :: 3.{minor}" for minor in (10, 11, 12, 13)),
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Recognition",
    ],
    install_requires=[
        "tensorflow>=2.18",
        "keras>=3.8",
        "numpy",
        "absl-py",
        "pillow",
        "tqdm",
    ],
    extras_require={
        "test": [
            "pytest",
            "pytest-xdist",
            "scipy",
            "scikit-image",
            "jax",
            "tensorboard",
            "build",
            "ruff",
            "mypy",
            "s3fs",
            "gcsfs",
            "moto[server]",
        ],
        "video": ["av"],
        "serving": ["tensorflow-serving-api"],
        "formats": ["onnx", "onnxruntime", "tf2onnx", "ai-edge-litert"],
        "crf": ["pydensecrf2"],
        "viz": ["tensorboard", "matplotlib"],
        "bench": ["scipy", "jax", "opencv-python-headless", "edt", "keras-hub"],
        "beam": ["apache-beam>=2.60", "pyarrow"],
        "s3": ["s3fs"],
        "gcs": ["gcsfs"],
        "gpu": ["tensorflow[and-cuda]>=2.18"],
    },
)
