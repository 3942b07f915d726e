# Cityscapes -> ACDC at half resolution: 2975 labelled images of clear days with rare-class sampling,
# 1600 unlabelled ones of fog, night, rain and snow, scored on val (406). Papers give scores of the test
# server (2000 images), which differ: tools/test.py CONFIG CHECKPOINT --submit --out labelTrainIds.
# Off: rare-class sampling by sampler=dict(rare_class=None). Data: data/README.md.
source_root = '{{$DTS_DATA_ROOT:data}}/cityscapes'
target_root = '{{$DTS_DATA_ROOT:data}}/acdc'
num_classes = 19
source_scale = (1024, 512)  # width, height
target_scale = (960, 540)
crop_size = (512, 512)  # height, width
# For `test_cfg` of the segmentor: whole images of 960x540, scores blown up to 1920x1080.
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
    dict(type='Resize', scale=target_scale, keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=1.0),  # 1.0: no label is read
    dict(type='RandomFlip', prob=0.5),
    dict(type='dts.Branches', branches=dict(target=[dict(type='PackSegInputs')])),
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
                dict(type='Resize', scale=(720, 405), keep_ratio=True),
                dict(type='Resize', scale=(960, 540), keep_ratio=True),
                dict(type='Resize', scale=(1200, 675), keep_ratio=True),
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
                type='dts.CityscapesDataset',
                data_root=source_root,
                data_prefix=dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train'),
                seg_map_suffix='_gtFine_labelIds.png',
                pipeline=source_pipeline,
            ),
            target=dict(
                type='dts.ACDCDataset',
                split='train',
                data_root=target_root,
                data_prefix=dict(img_path='rgb_anon'),
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
        type='dts.ACDCDataset',
        split='val',
        data_root=target_root,
        data_prefix=dict(img_path='rgb_anon', seg_map_path='gt'),
        test_mode=True,
        pipeline=eval_pipeline,
    ),
)
test_dataloader = val_dataloader
submit_dataloader = dict(
    batch_size=1,
    num_workers=4,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='dts.ACDCDataset',
        split='test',
        data_root=target_root,
        data_prefix=dict(img_path='rgb_anon'),
        test_mode=True,
        pipeline=submit_pipeline,
    ),
)
val_evaluator = dict(type='dts.SegmentationMetric')
test_evaluator = dict(type='dts.SegmentationMetric')
