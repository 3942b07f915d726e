"""A class that vanishes from the pseudo-labels is named once."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.dist import get_rank

from dts.checkpoints.contents import pack_model, pack_run
from dts.hooks.class_collapse import ClassCollapseHook
from dts.registry import MODELS
from runs import on_ranks
from toys import toy_segmentor_config


class Watched:
    """A method with its hook, and what the hook warned of."""

    def __init__(self, iteration=0, checkpoint=None, min_share=0.01):
        self.method = MODELS.build(dict(type='dts.SelfTraining', student=toy_segmentor_config()))
        stream = SimpleNamespace(metainfo={'classes': ('road', 'car', 'sign')})
        self.warnings = []
        self.runner = SimpleNamespace(
            model=self.method,
            train_dataloader=SimpleNamespace(dataset=SimpleNamespace(streams={'source': stream})),
            logger=SimpleNamespace(warning=self.warnings.append),
            iter=iteration,
            _resume=checkpoint is not None,
        )
        self.hook = ClassCollapseHook(interval=2, min_share=min_share)
        if checkpoint is not None:
            self.hook.after_load_checkpoint(self.runner, checkpoint)
        self.hook.before_train(self.runner)

    def step(self, *labels, source=None):
        shown = {} if source is None else {'source_label': torch.tensor(source)}
        self.method.expose(pseudo_label=torch.tensor(labels), **shown, mixed_weight=torch.ones(1))
        self.hook.after_train_iter(self.runner, self.runner.iter)
        self.runner.iter += 1

    def saved(self):
        checkpoint = {'state_dict': self.method.state_dict()}
        self.hook.before_save_checkpoint(self.runner, checkpoint)
        return checkpoint


@pytest.fixture
def watched():
    run = Watched()
    return run.step, run.warnings


def test_a_class_that_vanishes_is_named_once(watched):
    step, warnings = watched
    step(0, 0, 1, 1)
    step(0, 0, 2, 255)
    assert warnings == []
    for _ in range(4):
        step(0, 0, 2, 2)
    (message,) = warnings
    assert "class 'car' has vanished" in message
    assert 'iterations 2 to 3' in message


def test_a_class_that_never_was_there_is_no_news(watched):
    step, warnings = watched
    for _ in range(6):
        step(0, 0, 0, 0)
    assert warnings == []


def test_ignored_pixels_count_for_no_class(watched):
    step, warnings = watched
    step(0, 1, 2, 2)
    step(0, 1, 2, 2)
    step(255, 255, 255, 255)
    step(0, 1, 2, 2)
    assert warnings == []


def test_a_rare_class_is_watched_against_its_own_share(watched):
    step, warnings = watched
    often, seldom, gone = ([0] * (5000 - count) + [2] * count for count in (40, 1, 0))
    step(*often)  # 40 of 10000 pixels: below 0.01 from the start
    step(*([0] * 5000))
    step(*seldom)
    step(*([0] * 5000))
    assert warnings == []  # 1 of 10000 is more than a hundredth of 40
    step(*gone)
    step(*gone)
    (message,) = warnings
    assert "class 'sign' has vanished" in message
    assert 'iterations 4 to 5' in message


def test_a_few_pixels_of_a_class_are_no_news(watched):
    step, warnings = watched
    step(*([0] * 9999), 2)
    for _ in range(3):
        step(*([0] * 10000))
    assert warnings == []


def test_classes_that_no_source_label_shows_are_not_watched(watched):
    step, warnings = watched
    for labels in ((0, 1, 2, 2), (0, 1, 2, 2), (0, 0, 0, 0), (0, 0, 0, 0)):
        step(*labels, source=(0, 0, 1, 255))
    (message,) = warnings
    assert "class 'car' has vanished" in message


def test_a_resumed_run_knows_what_was_seen_and_what_was_told():
    straight = Watched()
    for _ in range(2):
        straight.step(0, 1, 2, 2)
    for _ in range(3):
        straight.step(0, 2, 2, 2)
    assert len(straight.warnings) == 1
    resumed = Watched(iteration=5, checkpoint=straight.saved())
    for run in (straight, resumed):
        del run.warnings[:]
        run.step(0, 0, 0, 0)  # half an interval for the resumed run
    assert resumed.warnings == []
    for run in (straight, resumed):
        for _ in range(2):
            run.step(0, 0, 0, 0)
        (message,) = run.warnings  # 'car' was told before
        assert "class 'sign' has vanished" in message
    fresh = Watched(iteration=5, checkpoint={'dts': {}})
    for _ in range(5):
        fresh.step(0, 0, 0, 0)
    assert fresh.warnings == []


def test_files_to_resume_from_hold_what_is_known_and_files_of_one_model_do_not():
    run = Watched()
    checkpoint = run.saved()
    pack_run(checkpoint, run.method, 'student', None)
    assert checkpoint['dts']['class_collapse']['largest'] == [0.0] * 3
    checkpoint = run.saved()
    pack_model(checkpoint, run.method, 'student')
    assert checkpoint['dts'] == {'version': 1, 'product': 'student'}


def on_one_of_two(folder):
    """Class 1 lives on the labels of the second rank alone, and then nowhere."""
    torch.distributed.init_process_group('gloo')
    run = Watched()
    for _ in range(4):
        run.step(*([0, 1, 2, 2] if get_rank() else [0, 0, 2, 2]))
    early = len(run.warnings)
    for _ in range(2):
        run.step(0, 0, 2, 2)
    Path(folder, str(get_rank())).write_text(f'{early} {len(run.warnings)} {run.hook.largest[1]}')


def test_counts_are_those_of_all_ranks(tmp_path):
    on_ranks(on_one_of_two, str(tmp_path))
    assert [(tmp_path / rank).read_text() for rank in '01'] == ['0 1 0.125'] * 2


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        (dict(interval=0), 'interval of ClassCollapseHook must be at least 1, got 0'),
        (dict(min_share=0.0), r'min_share of ClassCollapseHook must be in \(0, 0.1\), got 0.0'),
        (dict(min_share=0.1), r'min_share .* got 0.1'),
    ],
)
def test_values_out_of_range_are_refused(options, text):
    with pytest.raises(ValueError, match=text):
        ClassCollapseHook(**options)
