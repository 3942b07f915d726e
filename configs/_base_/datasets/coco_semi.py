# COCO 2017, 81 classes: labelled and unlabelled images of train (118 287), scored on val (5000).
# Lists and masks: data/README.md.
# Another list: set `ann_file` of both streams, in a config that inherits this one or by
# --cfg-options train_dataloader.dataset.streams.{labeled,unlabeled}.ann_file=... (once for each).
dataset_type = 'dts.COCOSemiDataset'
data_root = '{{$DTS_DATA_ROOT:data}}/coco'
split = 'splits/pseudoseg/463'  # see `python tools/dataset_converters/import_split.py --list`
num_classes = 81
image_scale = (640, 640)  # the long side of nearly all images: resized to 0.5-2 times their size
crop_size = (513, 513)  # height, width
# For `test_cfg` of the segmentor: whole images at their own size.
evaluation = dict(mode='whole')

# The strong view of UniMatch (Yang et al., CVPR 2023), without its CutMix; the weak view has
# geometry only.
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
    dict(type='RandomResize', scale=image_scale, ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=1.0),
    dict(type='RandomFlip', prob=0.5),
    dict(type='dts.Branches', branches=dict(labeled=[dict(type='PackSegInputs')])),
]
unlabeled_pipeline = [
    dict(type='dts.LoadImage'),
    dict(type='RandomResize', scale=image_scale, ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=1.0),  # 1.0: no label is read
    dict(type='RandomFlip', prob=0.5),
    dict(
        type='dts.Branches',
        branches=dict(
            unlabeled_weak=[dict(type='PackSegInputs')],
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
    batch_size=4,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='dts.RatioSampler', batch=dict(labeled=2, unlabeled=2)),
    collate_fn=dict(type='dts.collate_branches'),
    dataset=dict(
        type='dts.StreamDataset',
        streams=dict(
            labeled=dict(
                type=dataset_type,
                data_root=data_root,
                ann_file=f'{split}/labeled.txt',
                data_prefix=dict(img_path='train2017', seg_map_path='masks'),
                pipeline=labeled_pipeline,
            ),
            unlabeled=dict(
                type=dataset_type,
                data_root=data_root,
                ann_file=f'{split}/unlabeled.txt',
                data_prefix=dict(img_path='train2017'),
                pipeline=unlabeled_pipeline,
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
        type=dataset_type,
        data_root=data_root,
        data_prefix=dict(img_path='val2017', seg_map_path='masks'),
        test_mode=True,
        pipeline=eval_pipeline,
    ),
)
test_dataloader = val_dataloader  # as in all papers: the labels of the test set are not public
val_evaluator = dict(type='dts.SegmentationMetric')
test_evaluator = dict(type='dts.SegmentationMetric')
