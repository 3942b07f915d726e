# Dual Teacher (NeurIPS 2023) with the step of the release on ADE20K 631, the setting of its code; paper: its score is not known to us. Not run by us.
# Drop-path of the student (0 to 0.1 over the blocks) is the base model's, its teachers have none; a shift is a labelled pass.
# Not as released: the list is SemiVL's (its own shares few images); no limit of a class's share of a crop (there 0.75, read from masks of
# unlabelled images too); no photometric distortion of labelled images and weak views; the strong view is UniMatch's (jitter in 80 % of the
# draws, blur); teachers start as the student and share the statistics of BatchNorm over processes as it does (there the student alone);
# images are scored at their own size.
_base_ = ['dual-teacher_segformer_mit-b1_2xb8-50k_ade20k-semivl-631-512x512.py']
model = dict(
    _delete_=True, type='dts.FaithfulDualTeacher', student=_base_.student, threshold=0.95
)
custom_hooks = [
    dict(
        type='dts.SwitchingTeachersHook',
        shift='labeled_pass',
        decay=0.99,
        teacher_mode='train',
        buffers='own',
    )
]
