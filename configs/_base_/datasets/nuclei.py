# Nuclei, 2 classes: a labelled imaging domain (source) and an unlabelled one (target).
# Domains: fluo_a, fluo_b, stain, bright (the last is too small to score); see data/README.md.
dataset_type = 'dts.NucleiDataset'
data_root = '{{$DTS_DATA_ROOT:data}}/nuclei'
source = 'fluo_a'
target = 'fluo_b'
num_classes = 2
image_scale = (4096, 256)  # short side 256, any long side
crop_size = (224, 224)

weak_color = dict(
    type='dts.Albumentations',
    transforms=[
        # Brightness moves by a share of the mean: 0.2 of 255 would blacken the dim images.
        dict(
            type='RandomBrightnessContrast',
            brightness_limit=0.2,
            contrast_limit=0.2,
            brightness_by_max=False,
            p=0.5,
        )
    ],
)
# The strong view of UniMatch (Yang et al., CVPR 2023), without its CutMix.
strong_color = dict(
    type='dts.Albumentations',
    transforms=[
        dict(type='ColorJitter', brightness=0.5, contrast=0.5, saturation=0.5, hue=0.25, p=0.8),
        dict(type='ToGray', p=0.2),
        dict(type='GaussianBlur', sigma_limit=(0.1, 2.0), p=0.5),
    ],
)

labeled_pipeline = [
    dict(type='dts.LoadImage'),
    dict(type='dts.LoadLabels'),
    dict(type='RandomResize', scale=image_scale, ratio_range=(0.75, 1.5), keep_ratio=True),
    # 1.0: most crops of sparse cells are more than three quarters background
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=1.0),
    dict(type='RandomFlip', prob=[0.25, 0.25], direction=['horizontal', 'vertical']),
    dict(type='dts.Branches', branches=dict(labeled=[weak_color, dict(type='PackSegInputs')])),
]
unlabeled_pipeline = [
    dict(type='dts.LoadImage'),
    dict(type='RandomResize', scale=image_scale, ratio_range=(0.75, 1.5), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=1.0),  # 1.0: no label is read
    dict(type='RandomFlip', prob=[0.25, 0.25], direction=['horizontal', 'vertical']),
    dict(
        type='dts.Branches',
        branches=dict(
            unlabeled_weak=[weak_color, dict(type='PackSegInputs')],
            unlabeled_strong=[strong_color, dict(type='PackSegInputs')],
        ),
    ),
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
    sampler=dict(type='dts.RatioSampler', batch=dict(labeled=4, unlabeled=4)),
    collate_fn=dict(type='dts.collate_branches'),
    dataset=dict(
        type='dts.StreamDataset',
        streams=dict(
            labeled=dict(
                type=dataset_type,
                data_root=data_root,
                ann_file=f'splits/domain/{source}_train.txt',
                data_prefix=dict(img_path='img_dir/train', seg_map_path='ann_dir/train'),
                pipeline=labeled_pipeline,
            ),
            unlabeled=dict(
                type=dataset_type,
                data_root=data_root,
                ann_file=f'splits/domain/{target}_train.txt',
                data_prefix=dict(img_path='img_dir/train'),
                pipeline=unlabeled_pipeline,
            ),
        ),
    ),
)
# There is no validation split: the source domain's test images serve, so that nothing is chosen on
# the target domain.
val_dataloader = dict(
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
