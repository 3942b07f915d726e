# HRDA on DAFormer with MiT-B5 (Hoyer et al., ECCV 2022): crops of 1024x1024, seen at half size and by windows of
# 512x512. A prediction of one crop runs 9 windows at once; less memory: model.windows_per_forward=3.
# A config that inherits this sets the number of classes of decode_head; attention_head follows it.
_base_ = './daformer_mit-b5.py'

model = dict(
    type='dts.HRDAEncoderDecoder',
    attention_head=dict(dilations=()),
    detail_size=(512, 512),
    stride=4,
    detail_weight=0.1,
    test_cfg=dict(mode='slide', crop_size=(1024, 1024), stride=(512, 512)),
)
