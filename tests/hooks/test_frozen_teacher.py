"""Frozen teachers in real runs: whole weights, own normalisation, resume, two processes."""

import signal
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmseg.apis import init_model

from dts.checkpoints.find import find_newest_checkpoint
from dts.evaluation.checkpoint_models import checkpoint_states
from dts.hooks.frozen_teacher import FrozenTeacherHook
from dts.hooks.teacher_hook import unwrap
from dts.registry import HOOKS, MODELS
from dts.teachers.frozen import FrozenTeacher, build_frozen_teacher, file_digest
from dts.zoo import load as zoo_load
from dts.zoo import path as zoo_path
from dts.zoo.index import find_entry
from dts.zoo.models import config_file
from runs import in_child, make_images, on_ranks, run_config, train
from toy_run import toy_runner
from toys import toy_segmentor_config

KD = dict(type='dts.LogitKD', temperature=2.0)


def teacher_config(num_classes=3):
    return toy_segmentor_config(num_classes, channels=12, dropout=0.3)


def write_teacher(path, seed=11, **kwargs):
    torch.manual_seed(seed)
    segmentor = MODELS.build(teacher_config(**kwargs))
    torch.save(dict(state_dict=segmentor.state_dict()), path)
    return segmentor


def distillation():
    features = dict(
        student='backbone',
        student_index=0,
        teacher='backbone',
        teacher_index=0,
        adapter=dict(type='dts.ConvAdapter', in_channels=8, out_channels=12),
        loss=dict(type='dts.MGD', channels=12),
        weight=dict(type='linear', start=0.0, end=1.0, iters=4),
    )
    return dict(
        type='dts.Distillation',
        student=toy_segmentor_config(dropout=0.5),
        distill=[dict(loss=KD), features],
    )


def hook_config(path):
    teachers = dict(teacher=dict(config=teacher_config(), checkpoint=str(path)))
    return dict(type='dts.FrozenTeacherHook', teachers=teachers)


def runner_of(folder, path, iterations=3, **changes):
    changes = dict(model=dict(_delete_=True, **distillation()), **changes)
    return toy_runner(folder, iterations=iterations, custom_hooks=[hook_config(path)], **changes)


class Iterations(Hook):
    def __init__(self):
        self.seen, self.weights = [], []

    def after_train_iter(self, runner, *args, **kwargs):
        method = unwrap(runner)
        self.seen.append(method.teachers.iteration)
        self.weights.append(method.terms['1'].weight(method.teachers.iteration))


@pytest.mark.slow
def test_teacher_is_loaded_frozen_and_counted_beside_a_student_only_checkpoint(tmp_path):
    expected = write_teacher(tmp_path / 't.pth').state_dict()
    runner = runner_of(tmp_path, tmp_path / 't.pth')
    counter = Iterations()
    runner.register_hook(counter)
    runner.train()
    assert counter.seen == [0, 1, 2]
    assert counter.weights == [0.0, 0.25, 0.5]
    method = unwrap(runner)
    teacher = method.teachers['teacher'].segmentor
    assert all(torch.equal(value, expected[name]) for name, value in teacher.state_dict().items())
    assert not any(module.training for module in teacher.modules())
    assert not any(parameter.requires_grad for parameter in teacher.parameters())

    file = tmp_path / 'iter_3.pth'
    saved = torch.load(file, weights_only=True)
    assert saved['state_dict'].keys() == method.student.state_dict().keys()
    assert {name.split('.')[0] for name in saved['dts']['method']} == {'terms'}
    digest = file_digest(tmp_path / 't.pth')
    origin = dict(checkpoint=str(tmp_path / 't.pth'), sha256=digest)
    assert saved['dts']['teachers'] == dict(
        active='teacher', teachers={}, frozen=dict(teacher=origin)
    )
    assert list(checkpoint_states(str(file))) == ['student']
    stock = Config(dict(model=toy_segmentor_config(), test_dataloader=dict(dataset=dict())))
    opened = init_model(stock, str(file), device='cpu')
    assert torch.equal(opened.backbone.conv.weight, method.student.backbone.conv.weight)


def test_digest_is_that_of_the_file(tmp_path):
    (tmp_path / 'a').write_bytes(b'abc')
    assert file_digest(tmp_path / 'a').startswith('ba7816bf8f01cfea414140de5dae2223')


def build(path, config=None, student=None):
    student = student or MODELS.build(toy_segmentor_config())
    return build_frozen_teacher('big', config or teacher_config(), str(path), student)


def test_the_teachers_data_preprocessor_follows_the_student_to_its_device(tmp_path):
    """``val_step`` puts a batch on the device of the preprocessor, a plain attribute of it."""
    write_teacher(tmp_path / 't.pth')
    student = MODELS.build(toy_segmentor_config())
    assert build(tmp_path / 't.pth', student=student).segmentor.data_preprocessor.device.type == (
        'cpu'
    )
    student.backbone.to('meta')  # parameters alone: normalisation is read when a teacher is built
    teacher = build(tmp_path / 't.pth', student=student)
    assert teacher.segmentor.data_preprocessor.device.type == 'meta'
    assert teacher.segmentor.data_preprocessor.mean.device.type == 'meta'
    assert {tensor.device.type for tensor in teacher.state_dict().values()} == {'meta'}


def test_building_draws_no_random_numbers(tmp_path):
    write_teacher(tmp_path / 't.pth')
    student = MODELS.build(toy_segmentor_config())
    state = torch.get_rng_state()
    build(tmp_path / 't.pth', student=student)
    assert torch.equal(torch.get_rng_state(), state)


def test_config_may_be_a_file_of_a_segmentor_or_of_a_method(tmp_path):
    expected = write_teacher(tmp_path / 't.pth').state_dict()
    for name, model in (
        ('stock', teacher_config()),
        ('method', dict(type='dts.Supervised', student=teacher_config())),
    ):
        file = tmp_path / f'{name}.json'
        Config(dict(model=model), format_python_code=False).dump(file)
        state = build(tmp_path / 't.pth', str(file)).segmentor.state_dict()
        assert all(torch.equal(state[key], expected[key]) for key in expected)


def test_a_partial_load_another_class_count_and_missing_files_are_errors(tmp_path):
    state = write_teacher(tmp_path / 't.pth').state_dict()
    state.pop('backbone.norm.running_var')
    state['extra'] = torch.zeros(1)
    torch.save(state, tmp_path / 'part.pth')
    with pytest.raises(
        ValueError,
        match=r"(?s)part.pth of the teacher 'big'.*missing in the file: backbone.norm.running_var"
        r'.*unknown to the network: extra',
    ):
        build(tmp_path / 'part.pth')
    with pytest.raises(ValueError, match="teacher 'big' knows 5 classes, the student 3"):
        build(tmp_path / 't.pth', teacher_config(num_classes=5))
    with pytest.raises(FileNotFoundError, match=r'nowhere.pth'):
        build(tmp_path / 'nowhere.pth')
    torch.save(dict(state_dict={}, code=SimpleNamespace()), tmp_path / 'objects.pth')
    with pytest.raises(ValueError, match='nothing in it was executed'):
        build(tmp_path / 'objects.pth')


def test_a_teacher_that_sees_labels_is_refused_before_the_first_step(tmp_path):
    config = teacher_config()
    config.type, config.codes = 'dts.LabelAssistedEncoderDecoder', dict(type='dts.LabelCodes')
    torch.save(MODELS.build(config).state_dict(), tmp_path / 'oracle.pth')
    with pytest.raises(ValueError, match=r"'big' sees labels .*dts\.LabelAssistedTeacherHook"):
        build(tmp_path / 'oracle.pth', config)


@contextmanager
def served(folder):
    """A web server that serves a folder; its address."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    server = ThreadingHTTPServer(('127.0.0.1', 0), handler)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f'http://127.0.0.1:{server.server_port}'
    finally:
        server.shutdown()
        server.server_close()


def test_a_checkpoint_may_lie_in_the_web_and_is_fetched_once(tmp_path, monkeypatch):
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    monkeypatch.setenv('DTS_ZOO', str(tmp_path / 'kept'))
    expected = {}
    for name, seed in (('a', 11), ('b', 12)):
        (tmp_path / name).mkdir()
        expected[name] = write_teacher(tmp_path / name / 'iter_8.pth', seed=seed).state_dict()
    with served(tmp_path) as address:
        urls = {name: f'{address}/{name}/iter_8.pth' for name in expected}
        teachers = {name: build(url) for name, url in urls.items()}
        with pytest.raises(FileNotFoundError, match=r'(?s)none\.pth could not be .*404'):
            build(f'{address}/none.pth')
    for name, teacher in (*teachers.items(), ('a', build(urls['a']))):  # the server is gone
        digest = file_digest(tmp_path / name / 'iter_8.pth')
        assert teacher.origin == dict(checkpoint=urls[name], sha256=digest)
        state = teacher.segmentor.state_dict()
        assert all(torch.equal(state[key], expected[name][key]) for key in state)
    with pytest.raises(ValueError, match=r's3://a\.pth is no address .* name a file, http'):
        build('s3://a.pth')


def test_a_checkpoint_may_be_a_model_of_the_zoo():
    name = 'supervised_fpn_lite0_nuclei'
    config = str(config_file(find_entry(name).config))
    student = MODELS.build(toy_segmentor_config(num_classes=2))
    teacher = build(f'dts-zoo://{name}', config, student)
    assert teacher.origin == dict(
        checkpoint=f'dts-zoo://{name}', sha256=file_digest(zoo_path(name))
    )
    expected = zoo_load(name).state_dict()
    state = teacher.segmentor.state_dict()
    assert all(torch.equal(state[key], expected[key]) for key in expected)


@pytest.mark.parametrize('flips', [False, True])
def test_teacher_looks_at_images_as_it_was_trained_to(flips):
    def preprocessor(mean, std, bgr_to_rgb):
        return dict(
            toy_segmentor_config().data_preprocessor, mean=mean, std=std, bgr_to_rgb=bgr_to_rgb
        )

    configs = toy_segmentor_config(), toy_segmentor_config()
    configs[0].data_preprocessor = preprocessor([100.0, 110, 120], [50.0, 60, 70], True)
    configs[1].data_preprocessor = preprocessor([1.0, 2, 3], [7.0, 8, 9], not flips)
    student, segmentor = (MODELS.build(config) for config in configs)
    raw = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    seen, expected = (
        net.data_preprocessor(dict(inputs=list(raw)))['inputs'] for net in (student, segmentor)
    )
    teacher = FrozenTeacher(segmentor, student, {})
    torch.testing.assert_close(teacher.inputs(seen), expected, rtol=1e-4, atol=1e-4)
    scores = segmentor.decode_head(segmentor.backbone(expected))
    torch.testing.assert_close(teacher.logits(seen), scores, rtol=1e-3, atol=1e-3)
    assert FrozenTeacher(student, student, {}).inputs(seen) is seen


def test_wrong_entries_are_named():
    with pytest.raises(ValueError, match='must name at least one teacher'):
        FrozenTeacherHook({})
    with pytest.raises(ValueError, match=r"teachers\['a'\] .*got the keys \['config'\]"):
        FrozenTeacherHook(dict(a=dict(config='x.py')))


@pytest.mark.slow
def test_a_resume_goes_on_with_the_same_teacher_wherever_its_file_is(tmp_path):
    write_teacher(tmp_path / 't.pth')
    write_teacher(tmp_path / 'other.pth', seed=12)
    runner_of(tmp_path / 'straight', tmp_path / 't.pth', iterations=4).train()
    runner_of(tmp_path / 'half', tmp_path / 't.pth', iterations=2).train()
    resume = dict(resume=True, load_from=str(tmp_path / 'half/iter_2.pth'), iterations=4)
    (tmp_path / 'moved.pth').write_bytes((tmp_path / 't.pth').read_bytes())
    runner_of(tmp_path / 'half', tmp_path / 'moved.pth', **resume).train()
    first, second = (
        torch.load(tmp_path / name / 'iter_4.pth', weights_only=True)
        for name in ('straight', 'half')
    )
    for part in (lambda c: c['state_dict'], lambda c: c['dts']['method']):
        assert all(torch.equal(part(second)[name], value) for name, value in part(first).items())
    with pytest.raises(ValueError, match=r'(?s)started with the teachers .*t\.pth.*other\.pth'):
        runner_of(tmp_path / 'half', tmp_path / 'other.pth', **resume).train()


def run(root, name, max_iters=10, batch=2, hooks=()):
    """Config of a distillation run over images on disk, with the teacher as a second product."""
    model = dict(_delete_=True, **distillation())
    model['student'].data_preprocessor.pop('size_divisor')
    model['student'].data_preprocessor.size = (32, 32)
    loader = dict(batch_size=2 * batch, sampler=dict(batch=dict(labeled=batch, unlabeled=batch)))
    config = run_config(root, root / name, model=model, train_dataloader=loader)
    config.custom_hooks = [hook_config(root / 't.pth'), *hooks]
    config.train_cfg.update(max_iters=max_iters, val_interval=7)
    config.default_hooks.checkpoint.update(interval=4)
    return config


@pytest.mark.slow
def test_10_steps_equal_4_steps_a_kill_and_a_resume(tmp_path):
    make_images(tmp_path)
    write_teacher(tmp_path / 't.pth')
    assert in_child(train, run(tmp_path, 'straight')) == 0
    killed = run(tmp_path, 'killed', hooks=[dict(type='dts.KillHook', iteration=6)])
    assert in_child(train, killed) == -signal.SIGKILL
    newest = find_newest_checkpoint(tmp_path / 'killed')
    assert newest.name == 'iter_4.pth'
    resumed = run(tmp_path, 'killed')
    resumed.resume, resumed.load_from = True, str(newest)
    assert in_child(train, resumed) == 0
    straight, resumed = (
        torch.load(tmp_path / name / 'iter_10.pth', weights_only=True)
        for name in ('straight', 'killed')
    )
    for part in ('state_dict', 'dts'):
        tensors = [
            c[part] if part == 'state_dict' else c[part]['method'] for c in (straight, resumed)
        ]
        assert tensors[0].keys() == tensors[1].keys()
        assert all(torch.equal(tensors[0][name], tensors[1][name]) for name in tensors[0])
    momenta = [c['optimizer']['state'] for c in (straight, resumed)]
    for index, state in momenta[0].items():
        assert torch.equal(state['exp_avg'], momenta[1][index]['exp_avg'])


@HOOKS.register_module(force=True)
class DumpMethodHook(Hook):
    """Write what a rank trained."""

    priority = 'LOWEST'

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def after_train(self, runner) -> None:
        torch.save(unwrap(runner).state_dict(), f'{self.folder}/rank{runner.rank}.pth')


@pytest.mark.slow
def test_two_processes_train_one_student_and_its_adapters(tmp_path):
    make_images(tmp_path)
    write_teacher(tmp_path / 't.pth')
    (tmp_path / 'two').mkdir()
    dump = dict(type='dts.DumpMethodHook', folder=str(tmp_path / 'two'))
    on_ranks(train, run(tmp_path, 'two', max_iters=6, batch=1, hooks=[dump]))
    first, second = (torch.load(tmp_path / f'two/rank{rank}.pth') for rank in (0, 1))
    assert any(name.startswith('terms.1.adapter') for name in first)
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
    start = MODELS.build(distillation()).state_dict()
    assert not torch.equal(
        first['terms.1.adapter.conv.weight'], start['terms.1.adapter.conv.weight']
    )
