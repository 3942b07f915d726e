# CamVid at dusk (62 labelled frames) -> by day (305 unlabelled ones); all else as in camvid_day_to_dusk.py. There
# are no validation frames at dusk: the test frames at dusk (62) are watched instead.
_base_ = './camvid_day_to_dusk.py'

train_dataloader = dict(
    dataset=dict(
        streams=dict(
            source=dict(ann_file='splits/domain/dusk_train.txt'),
            target=dict(ann_file='splits/domain/day_train.txt'),
        )
    )
)
val_dataloader = dict(
    dataset=dict(
        ann_file='splits/domain/dusk_test.txt',
        data_prefix=dict(img_path='img_dir/test', seg_map_path='ann_dir/test'),
    )
)
test_dataloader = dict(dataset=dict(ann_file='splits/domain/day_test.txt'))
source_test_dataloader = dict(dataset=dict(ann_file='splits/domain/dusk_test.txt'))
