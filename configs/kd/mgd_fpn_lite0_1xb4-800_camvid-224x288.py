# MGD (Yang et al., ECCV 2022) on the last features of the backbones, Lite2 -> Lite0 on CamVid. Not scored yet, see ../lad/README.md.
_base_ = ['./kd_fpn_lite0_1xb4-800_camvid-224x288.py']
channels = 352  # of Lite2 at stride 32; Lite0 has 320
height, width = 7, 9  # of a crop of 224x288 at stride 32
last_features = dict(student='backbone', student_index=3, teacher='backbone', teacher_index=3)
model = dict(
    distill=[
        dict(
            **last_features,
            adapter=dict(type='dts.ConvAdapter', in_channels=320, out_channels=channels),
            loss=dict(type='dts.MGD', channels=channels, mask_ratio=0.75),
            # 2e-5 of a sum over C h w in the released code, of their mean here
            weight=2e-5 * channels * height * width,
        )
    ]
)
