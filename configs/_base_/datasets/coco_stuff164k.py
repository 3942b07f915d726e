# COCO-Stuff 164K, 171 classes: all labelled images of train (118 287), scored on val (5000); all else as in coco_stuff10k.py.
# Masks: tools/dataset_converters/coco_stuff164k.py; layout: dts/datasets/coco_stuff164k.py.
_base_ = './coco_stuff10k.py'
dataset_type = 'dts.COCOStuff164KDataset'
data_root = '{{$DTS_DATA_ROOT:data}}/coco_stuff164k'
train = dict(
    type=dataset_type,
    data_root=data_root,
    ann_file='',
    data_prefix=dict(img_path='images/train2017', seg_map_path='annotations/train2017'),
)
val = dict(
    type=dataset_type,
    data_root=data_root,
    ann_file='',
    data_prefix=dict(img_path='images/val2017', seg_map_path='annotations/val2017'),
)
train_dataloader = dict(dataset=dict(streams=dict(labeled=train)))
val_dataloader = dict(dataset=val)
test_dataloader = dict(dataset=val)
