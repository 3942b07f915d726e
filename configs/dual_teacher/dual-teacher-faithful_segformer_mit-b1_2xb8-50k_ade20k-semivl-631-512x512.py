# Dual Teacher (NeurIPS 2023) as released on ADE20K 631, the setting of its code; paper: its score is not known to us. Not run by us.
# Drop-path of the student (0 to 0.1 over the blocks) is the base model's, its teachers have none; a shift is a labelled pass.
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
