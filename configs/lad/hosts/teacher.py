# LAD (Qiu et al., ECCV 2024), first stage: method and schedule; configs that inherit this add network and data.
# Codes, stem, losses and their weights are those of the released code (numbers of grey levels over 57.63). The rate is
# CIRKD's, whose protocol LAD follows: the released default of 0.001 goes on from a trained checkpoint, this starts from
# ImageNet.
_base_ = ['../../_base_/schedules/sgd_40k_cirkd.py', '../../_base_/runtime.py']
assistance = dict(  # of the network: a fourth input, the code of the labels
    type='dts.LabelAssistedEncoderDecoder',
    codes=dict(type='dts.LabelCodes', family='gaussian', scale=1.735, pixel_sigma=0.052),
    stem_init=0.1,
)
# Of the released DeepLabV3. MMSeg's 0.1 makes two paths differ by their dropout more than by their codes.
dropout_ratio = 0.01
method = dict(
    type='dts.LabelAssistedTeacher',
    paths='sequential',
    consistency=dict(type='dts.ChannelWiseKD', temperature=4.0),
    consistency_weight=5.0,
)
custom_hooks = [dict(type='dts.LabelUseHook')]
sync_bn = 'torch'  # several processes share the statistics of BatchNorm
# With labels it is an oracle: never a column of a comparison.
val_cfg = dict(models=['teacher_with_labels', 'teacher_zeroed'])
test_cfg = dict(models=['teacher_with_labels', 'teacher_zeroed'])
