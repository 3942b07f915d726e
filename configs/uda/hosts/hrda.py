# HRDA (Hoyer et al., ECCV 2022): DAFormer on images of full size, seen at half size (context) and by windows of 512x512
# (detail), fused by a learned scale attention. The data are those of the configs for crops of 1024x1024.
_base_ = './daformer.py'
model = dict(
    student=dict(
        type='dts.HRDAEncoderDecoder',
        attention_head=dict(dilations=()),  # else as decode_head
        detail_size=(512, 512),
        stride=4,
        detail_weight=0.1,
    )
)
