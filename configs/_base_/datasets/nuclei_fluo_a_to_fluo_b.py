# Nuclei in fluorescence, one set of microscopes (fluo_a, 239 labelled images) -> another (fluo_b, 140 unlabelled
# ones), 2 classes. Test: 60 images of fluo_b; the 102 test images of fluo_a are scored too, as
# source/<network>/mIoU, and watched in validation: labels of the target are for the end.
dataset_type = 'dts.NucleiDataset'
data_root = '{{$DTS_DATA_ROOT:data}}/nuclei'
source = 'fluo_a'
target = 'fluo_b'
num_classes = 2
image_scale = (4096, 256)  # short side 256, any long side
crop_size = (224, 224)
# For the sampler of methods that draw rare classes: 0.15 % of 256x256 pixels.
rare_class = dict(source=dict(temperature=0.01, min_pixels=100))

# As in camvid_day_to_dusk.py: for a source-only run with the colours of mixed images.
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
    # 1.0: most crops of sparse cells are more than three quarters background
    dict(type='dts.RareClassCrop', crop_size=crop_size, cat_max_ratio=1.0, min_pixels=50),
    dict(type='RandomFlip', prob=[0.25, 0.25], direction=['horizontal', 'vertical']),
    dict(type='dts.Branches', branches=dict(source=[dict(type='PackSegInputs')])),
]
target_pipeline = [
    dict(type='dts.LoadImage'),
    dict(type='RandomResize', scale=image_scale, ratio_range=(1.0, 1.5), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=1.0),  # 1.0: no label is read
    dict(type='RandomFlip', prob=[0.25, 0.25], direction=['horizontal', 'vertical']),
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
                ann_file=f'splits/domain/{source}_train.txt',
                data_prefix=dict(img_path='img_dir/train', seg_map_path='ann_dir/train'),
                pipeline=source_pipeline,
            ),
            target=dict(
                type=dataset_type,
                data_root=data_root,
                ann_file=f'splits/domain/{target}_train.txt',
                data_prefix=dict(img_path='img_dir/train'),
                pipeline=target_pipeline,
            ),
        ),
    ),
)
source_test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    persistent_workers=False,
    # round_up=False: no image is counted twice when several processes share the set
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file=f'splits/domain/{source}_test.txt',
        data_prefix=dict(img_path='img_dir/test', seg_map_path='ann_dir/test'),
        test_mode=True,
        pipeline=eval_pipeline,
    ),
)
val_dataloader = source_test_dataloader  # there is no validation split
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file=f'splits/domain/{target}_test.txt',
        data_prefix=dict(img_path='img_dir/test', seg_map_path='ann_dir/test'),
        test_mode=True,
        pipeline=eval_pipeline,
    ),
)
val_evaluator = dict(type='dts.SegmentationMetric')
test_evaluator = dict(type='dts.SegmentationMetric')
