# Test-time augmentation: class probabilities averaged over three scales, each plain and mirrored.
tta_model = dict(type='SegTTAModel')
tta_pipeline = [
    dict(type='dts.LoadImage'),
    dict(
        type='TestTimeAug',
        transforms=[
            [
                dict(type='Resize', scale_factor=scale_factor, keep_ratio=True)
                for scale_factor in (0.75, 1.0, 1.25)
            ],
            [
                dict(type='RandomFlip', prob=0.0, direction='horizontal'),
                dict(type='RandomFlip', prob=1.0, direction='horizontal'),
            ],
            # After the resize and the flip, so that labels keep the size of the file.
            [dict(type='dts.LoadLabels')],
            [dict(type='PackSegInputs')],
        ],
    ),
]
