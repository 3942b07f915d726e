# LAD (Qiu et al., ECCV 2024), second stage: method and schedule; configs that inherit this add network, data and teacher.
# Released: CWD at T = 4 with weight 3 on the scores, codes of a fixed ramp (the default of the hook). Departures: the
# student starts from ImageNet, at CIRKD's rate, and keeps MMSeg's weights of auxiliary heads; there it starts from a
# trained student (`load_from`) at 0.001, with 0.02 (`loss_weight` of auxiliary_head.loss_decode).
_base_ = ['../../_base_/schedules/sgd_40k_cirkd.py', '../../_base_/runtime.py']
method = dict(
    type='dts.Distillation',
    distill=[dict(loss=dict(type='dts.ChannelWiseKD', temperature=4.0), weight=3.0)],
)
sync_bn = 'torch'  # several processes share the statistics of BatchNorm
