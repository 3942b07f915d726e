# COCO-Stuff 10K, 171 classes: all labelled images of train (9000), scored on test (1000).
# Masks: tools/dataset_converters/coco_stuff10k.py; layout: dts/datasets/coco_stuff10k.py.
dataset_type = 'dts.COCOStuff10KDataset'
data_root = '{{$DTS_DATA_ROOT:data}}/coco_stuff10k'
num_classes = 171
image_scale = (2048, 512)  # short side 512, any long side, as MMSeg trains
crop_size = (512, 512)  # height, width
# For `test_cfg` of the segmentor: whole images at their own size; MMSeg's scores are of a short side of 512.
evaluation = dict(mode='whole')

labeled_pipeline = [
    dict(type='dts.LoadImage'),
    dict(type='dts.LoadLabels'),
    dict(type='RandomResize', scale=image_scale, ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=1.0),
    dict(type='RandomFlip', prob=0.5),
    dict(type='dts.Branches', branches=dict(labeled=[dict(type='PackSegInputs')])),
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
    sampler=dict(type='dts.RatioSampler', batch=dict(labeled=4)),
    collate_fn=dict(type='dts.collate_branches'),
    dataset=dict(
        type='dts.StreamDataset',
        streams=dict(
            labeled=dict(
                type=dataset_type,
                data_root=data_root,
                ann_file='imageLists/train.txt',
                data_prefix=dict(img_path='images', seg_map_path='annotations/train2014'),
                pipeline=labeled_pipeline,
            )
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
        ann_file='imageLists/test.txt',
        data_prefix=dict(img_path='images', seg_map_path='annotations/test2014'),
        test_mode=True,
        pipeline=eval_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='dts.SegmentationMetric')
test_evaluator = dict(type='dts.SegmentationMetric')
