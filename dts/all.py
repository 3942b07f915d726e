"""Importing this module registers everything that configs can name as ``dts.X``."""

import dts.amp
import dts.datasets.branches
import dts.datasets.camvid
import dts.datasets.folder
import dts.datasets.nuclei
import dts.datasets.sampler
import dts.datasets.streams
import dts.datasets.toy_city
import dts.datasets.transforms.albumentations
import dts.datasets.transforms.loading
import dts.evaluation.loops
import dts.evaluation.metric
import dts.hooks.average_buffers
import dts.hooks.check_labels
import dts.hooks.checkpoint
import dts.hooks.coupling
import dts.hooks.ema_teacher
import dts.hooks.step_seed
import dts.hooks.switching_teachers
import dts.loops
import dts.losses.cross_entropy
import dts.methods.cutmix_seg
import dts.methods.dual_teacher
import dts.methods.faithful_dual_teacher
import dts.methods.mean_teacher
import dts.methods.supervised
import dts.methods.unimatch
import dts.methods.unimatch_v2
import dts.mixing.classmix
import dts.mixing.cutmix
import dts.models.efficientnet_lite
import dts.optim  # noqa: F401
