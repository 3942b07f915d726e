# HRDA on DAFormer's head with EfficientNet-Lite0, at the scale of a CPU: windows of 64x64 for crops of 128x128.
_base_ = './daformer_lite0.py'

model = dict(
    type='dts.HRDAEncoderDecoder',
    attention_head=dict(dilations=()),
    detail_size=(64, 64),
    stride=4,
    detail_weight=0.1,
)
