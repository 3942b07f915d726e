# Cityscapes -> Dark Zurich: 2416 unlabelled night images, scored on val (50); all else as in
# uda_cityscapes_to_acdc_1024.py. Papers give scores of the test server (151 images).
_base_ = './uda_cityscapes_to_acdc_1024.py'
target_root = '{{$DTS_DATA_ROOT:data}}/dark_zurich'

train_dataloader = _base_.train_dataloader
train_dataloader.dataset.streams.target = dict(
    type='dts.DarkZurichDataset',
    data_root=target_root,
    data_prefix=dict(img_path='rgb_anon/train/night'),
    pipeline=_base_.train_dataloader.dataset.streams.target.pipeline,
)
val_dataloader = _base_.val_dataloader
val_dataloader.dataset = dict(
    type='dts.DarkZurichDataset',
    data_root=target_root,
    data_prefix=dict(img_path='rgb_anon/val/night', seg_map_path='gt/val/night'),
    test_mode=True,
    pipeline=_base_.val_dataloader.dataset.pipeline,
)
test_dataloader = _base_.test_dataloader
test_dataloader.dataset = val_dataloader.dataset
submit_dataloader = _base_.submit_dataloader
submit_dataloader.dataset = dict(
    type='dts.DarkZurichDataset',
    data_root=target_root,
    data_prefix=dict(img_path='rgb_anon/test/night'),
    test_mode=True,
    pipeline=_base_.submit_dataloader.dataset.pipeline,
)
