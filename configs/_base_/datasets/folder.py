# Your own images: labelled ones with masks, unlabelled ones without, and some for validation.
# Copy this file, write your classes and sizes, and put the folders where `data_root` points
# (data/README.md says what masks look like).
dataset_type = 'dts.FolderDataset'
data_root = '{{$DTS_DATA_ROOT:data}}/my_images'
classes = ['background', 'object']  # in the order of the ids in the masks
num_classes = len(classes)
image_scale = (512, 512)  # every image is fitted into this box (width, height), not distorted
crop_size = (384, 384)  # height, width

weak_color = dict(
    type='dts.Albumentations',
    transforms=[
        # Brightness moves by a share of the mean of the image, which spares dark images.
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
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='dts.Branches', branches=dict(labeled=[weak_color, dict(type='PackSegInputs')])),
]
unlabeled_pipeline = [
    dict(type='dts.LoadImage'),
    dict(type='RandomResize', scale=image_scale, ratio_range=(0.75, 1.5), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=1.0),  # 1.0: no label is read
    dict(type='RandomFlip', prob=0.5),
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
    dict(type='Resize', scale=image_scale, keep_ratio=True),
    dict(type='dts.LoadLabels'),  # after Resize: scored at the size of the mask
    dict(type='PackSegInputs'),
]
# What mmseg.apis.inference_model runs on an image of yours.
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=image_scale, keep_ratio=True),
    dict(type='PackSegInputs'),
]

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
                classes=classes,
                data_root=data_root,
                data_prefix=dict(img_path='labeled/images', seg_map_path='labeled/masks'),
                pipeline=labeled_pipeline,
            ),
            unlabeled=dict(
                type=dataset_type,
                classes=classes,
                data_root=data_root,
                data_prefix=dict(img_path='unlabeled'),
                pipeline=unlabeled_pipeline,
            ),
        ),
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    persistent_workers=False,
    # round_up=False: no image is counted twice when several processes share the set
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type=dataset_type,
        classes=classes,
        data_root=data_root,
        data_prefix=dict(img_path='val/images', seg_map_path='val/masks'),
        test_mode=True,
        pipeline=eval_pipeline,
    ),
)
# If you choose anything on `val`, score a folder of its own here.
test_dataloader = val_dataloader
val_evaluator = dict(type='dts.SegmentationMetric')
test_evaluator = dict(type='dts.SegmentationMetric')
