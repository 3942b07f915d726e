# GTA5 -> Cityscapes at half resolution, as in DAFormer (Hoyer et al., CVPR 2022): 24 966 labelled source
# images with rare-class sampling, 2975 unlabelled target images with margins, scored on val (500).
# Data: data/README.md. Label files are used as published. First start: counts the source labels, 5 min.
# Off: rare-class sampling by sampler=dict(rare_class=None), margins by top=0 and bottom=0 in the target.
source_root = '{{$DTS_DATA_ROOT:data}}/gta'
target_root = '{{$DTS_DATA_ROOT:data}}/cityscapes'
num_classes = 19
source_scale = (1280, 720)  # width, height at most: images of 1914x1052 become 1280x704
target_scale = (1024, 512)
crop_size = (512, 512)  # height, width
# For `test_cfg` of the segmentor: whole images of 1024x512, scores blown up to 2048x1024.
evaluation = dict(mode='whole')

# No colours: methods change those of mixed images on the device.
source_pipeline = [
    dict(type='dts.LoadImage'),
    dict(type='dts.LoadLabels'),
    dict(type='Resize', scale=source_scale, keep_ratio=True),
    # 0.75: of the source only, the labels of the target are not looked at; 1500 = 0.5 * 3000
    dict(type='dts.RareClassCrop', crop_size=crop_size, cat_max_ratio=0.75, min_pixels=1500),
    dict(type='RandomFlip', prob=0.5),
    dict(type='dts.Branches', branches=dict(source=[dict(type='PackSegInputs')])),
]
target_pipeline = [
    dict(type='dts.LoadImage'),
    dict(type='dts.MarkMargins', top=30, bottom=240),  # of 1024 rows: 15 and 120 of 512
    dict(type='Resize', scale=target_scale, keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=1.0),  # 1.0: no label is read
    dict(type='RandomFlip', prob=0.5),
    dict(type='dts.Branches', branches=dict(target=[dict(type='dts.PackWithMargins')])),
]
eval_pipeline = [
    dict(type='dts.LoadImage'),
    dict(type='Resize', scale=target_scale, keep_ratio=True),
    dict(type='dts.LoadLabels'),  # after the resize: labels keep the size of the file
    dict(type='PackSegInputs'),
]
submit_pipeline = [
    dict(type='dts.LoadImage'),
    dict(type='Resize', scale=target_scale, keep_ratio=True),
    dict(type='PackSegInputs'),
]
# What mmseg.apis.inference_model runs on an image of yours.
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=target_scale, keep_ratio=True),
    dict(type='PackSegInputs'),
]
tta_model = dict(type='SegTTAModel')
tta_pipeline = [
    dict(type='dts.LoadImage'),
    dict(
        type='TestTimeAug',
        transforms=[
            [
                dict(type='Resize', scale=(768, 384), keep_ratio=True),
                dict(type='Resize', scale=(1024, 512), keep_ratio=True),
                dict(type='Resize', scale=(1280, 640), keep_ratio=True),
            ],
            [
                dict(type='RandomFlip', prob=0.0, direction='horizontal'),
                dict(type='RandomFlip', prob=1.0, direction='horizontal'),
            ],
            [dict(type='dts.LoadLabels')],
            [dict(type='PackSegInputs')],
        ],
    ),
]

train_dataloader = dict(
    batch_size=4,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(
        type='dts.RatioSampler',
        batch=dict(source=2, target=2),
        rare_class=dict(source=dict(temperature=0.01, min_pixels=3000)),
    ),
    collate_fn=dict(type='dts.collate_branches'),
    dataset=dict(
        type='dts.StreamDataset',
        streams=dict(
            source=dict(
                type='dts.GTA5Dataset',
                data_root=source_root,
                data_prefix=dict(img_path='images', seg_map_path='labels'),
                pipeline=source_pipeline,
            ),
            target=dict(
                type='dts.CityscapesDataset',
                data_root=target_root,
                data_prefix=dict(img_path='leftImg8bit/train'),
                pipeline=target_pipeline,
            ),
        ),
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    # round_up=False: no image is counted twice when several processes share the set
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='dts.CityscapesDataset',
        data_root=target_root,
        data_prefix=dict(img_path='leftImg8bit/val', seg_map_path='gtFine/val'),
        seg_map_suffix='_gtFine_labelIds.png',
        test_mode=True,
        pipeline=eval_pipeline,
    ),
)
test_dataloader = val_dataloader
# tools/test.py CONFIG CHECKPOINT --submit --label-ids --out FOLDER
submit_dataloader = dict(
    batch_size=1,
    num_workers=4,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='dts.CityscapesDataset',
        data_root=target_root,
        data_prefix=dict(img_path='leftImg8bit/test'),
        test_mode=True,
        pipeline=submit_pipeline,
    ),
)
val_evaluator = dict(type='dts.SegmentationMetric')
test_evaluator = dict(type='dts.SegmentationMetric')
