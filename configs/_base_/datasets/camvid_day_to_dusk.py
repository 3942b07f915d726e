# CamVid by day (305 labelled frames) -> at dusk (62 unlabelled ones) at 240x320, 11 classes. Test: 62 frames at
# dusk; the 171 test frames by day are scored too, as source/<network>/mIoU. Chosen and watched is the score
# by day (val): labels of the target are for the end.
dataset_type = 'dts.CamVidDataset'
data_root = '{{$DTS_DATA_ROOT:data}}/camvid'
num_classes = 11
image_scale = (320, 240)  # width, height
crop_size = (224, 288)  # height, width
# For the sampler of methods that draw rare classes: 3000 of 1914x1052 pixels are 0.15 %, 115 pixels here.
rare_class = dict(source=dict(temperature=0.01, min_pixels=115))

# The colours that methods give to mixed images (dts.ColorAugmentation), for a source-only run that is to have
# them too: train_dataloader.dataset.streams.source.pipeline[-1].branches = _base_.source_only_branches
mix_color = dict(
    type='dts.Albumentations',
    transforms=[
        dict(type='ColorJitter', brightness=0.2, contrast=0.2, saturation=0.2, hue=0.2, p=0.8),
        dict(type='GaussianBlur', sigma_limit=(0.15, 1.15), p=0.5),
    ],
)
source_only_branches = dict(labeled=[mix_color, dict(type='PackSegInputs')])

source_pipeline = [
    dict(type='dts.LoadImage'),
    dict(type='dts.LoadLabels'),
    # Not below 1.0: mixed images would show padding.
    dict(type='RandomResize', scale=image_scale, ratio_range=(1.0, 1.5), keep_ratio=True),
    # Without `rare_class` in the sampler this is RandomCrop.
    dict(type='dts.RareClassCrop', crop_size=crop_size, cat_max_ratio=0.75, min_pixels=58),
    dict(type='RandomFlip', prob=0.5),
    dict(type='dts.Branches', branches=dict(source=[dict(type='PackSegInputs')])),
]
target_pipeline = [
    dict(type='dts.LoadImage'),
    dict(type='RandomResize', scale=image_scale, ratio_range=(1.0, 1.5), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=1.0),  # 1.0: no label is read
    dict(type='RandomFlip', prob=0.5),
    dict(type='dts.Branches', branches=dict(target=[dict(type='PackSegInputs')])),
]
eval_pipeline = [
    dict(type='dts.LoadImage'),
    dict(type='dts.LoadLabels'),
    dict(type='PackSegInputs'),
]
# What mmseg.apis.inference_model runs on an image of yours.
test_pipeline = [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]

train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='dts.RatioSampler', batch=dict(source=4, target=4)),
    collate_fn=dict(type='dts.collate_branches'),
    dataset=dict(
        type='dts.StreamDataset',
        streams=dict(
            source=dict(
                type=dataset_type,
                data_root=data_root,
                ann_file='splits/domain/day_train.txt',
                data_prefix=dict(img_path='img_dir/train', seg_map_path='ann_dir/train'),
                pipeline=source_pipeline,
            ),
            target=dict(
                type=dataset_type,
                data_root=data_root,
                ann_file='splits/domain/dusk_train.txt',
                data_prefix=dict(img_path='img_dir/train'),
                pipeline=target_pipeline,
            ),
        ),
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    persistent_workers=False,
    # round_up=False: no frame is counted twice when several processes share the set
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='splits/domain/day_val.txt',
        data_prefix=dict(img_path='img_dir/val', seg_map_path='ann_dir/val'),
        test_mode=True,
        pipeline=eval_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='splits/domain/dusk_test.txt',
        data_prefix=dict(img_path='img_dir/test', seg_map_path='ann_dir/test'),
        test_mode=True,
        pipeline=eval_pipeline,
    ),
)
source_test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='splits/domain/day_test.txt',
        data_prefix=dict(img_path='img_dir/test', seg_map_path='ann_dir/test'),
        test_mode=True,
        pipeline=eval_pipeline,
    ),
)
val_evaluator = dict(type='dts.SegmentationMetric')
test_evaluator = dict(type='dts.SegmentationMetric')
