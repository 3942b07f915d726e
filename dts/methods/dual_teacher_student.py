"""DTS: two teacher-student groups, the second with a larger share of target images.

    x_S, y      source images and labels; x_T, x_T' target images (of semi-supervised training:
                labelled and unlabelled ones)
    f_k, h_k    student and EMA teacher of group k
    (l_k, q_k)  labels of h_k on clean target images, and the weights that the host gives them

Source: Huo, Xie, Zhou, Li and Tian, "Focus on Your Target: A Dual Teacher-Student Framework for
Domain-adaptive Semantic Segmentation", ICCV 2023. No code was released: two groups with weights of
their own, the larger target share of the second, bidirectional learning and the plug-in over any
host are published; what is mixed, how labels are exchanged and all numbers are our reconstruction.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from dts.methods.base import TeacherStudent, valid_pixels
from dts.methods.composition import compose, halves_of
from dts.methods.host import Half, Host, Views
from dts.parallel import average_gradients
from dts.registry import MODELS
from dts.targets.diagnostics import labels_differ
from dts.targets.exchange import EXCHANGE_RULES, ExchangeRule, exchange
from dts.targets.pseudo_label import PseudoLabels, make_pseudo_labels
from dts.teachers.bank import TeacherBank, check_only
from dts.typing import BranchInputs, BranchSamples, ConfigType, Losses

Composition = int | Sequence[str]
NUM_GROUPS = 2


@MODELS.register_module()
class DualTeacherStudent(TeacherStudent):
    """Train two students by the recipe of a host; each learns what the other one's teacher says.

    With the host DACS and the defaults, M the mask of ClassMix and WCE the weighted cross entropy,

        L_1 = CE(f_1(x_S), y) + WCE(f_1(mix(S, T)), [y | l_2]; M + (1 - M) q_2)
        L_2 = CE(f_2(x_S), y) + WCE(f_2(mix(T, T')), [l_1 | l_1']; M q_1 + (1 - M) q_1')

    The first student is called ``student`` and is what a run is about, the second ``student_2``;
    both start from the same weights and share no parameter. Goes with ``dts.GroupTeachersHook``,
    which moves ``teacher`` and ``teacher_2`` and starts the second group.

    Args:
        host: config of the method whose recipe both groups follow, with its ``student``:
            ``dts.SelfTraining``, ``dts.MeanTeacher`` or ``dts.DualTeacher``.
        compositions: what each group sees: a target share in percent (a row of
            ``dts.methods.composition.COMPOSITIONS``) or the names of halves. One entry trains one
            group, which is the host.
        exchange: whose labels a group learns, see ``dts.targets.exchange.exchange``.
        lambda_cross: factor >= 0 of the weight of labels that come from the other group alone.
        sequential: back-propagate the groups one after the other, so that the activations of one
            group at a time are held; the same gradients. On several processes it needs
            ``model_wrapper_cfg=dict(type='dts.SequentialDistributedDataParallel')``.

    Raises:
        ValueError: if an argument is out of range or unknown.
        TypeError: if the host cannot be taken apart.
    """

    def __init__(
        self,
        host: ConfigType,
        *,
        compositions: Sequence[Composition] = (25, 50),
        exchange: ExchangeRule = 'cross',
        lambda_cross: float = 1.0,
        sequential: bool = False,
    ) -> None:
        method = MODELS.build(host)
        if not isinstance(method, Host):
            raise TypeError(
                'host must be a method made of parts (a dts.methods.host.Host), got '
                f'{type(method).__name__}'
            )
        student = method.student
        del method.student  # what a host does, it does with the student that it is given
        super().__init__(student, method.criterion)
        if exchange not in EXCHANGE_RULES:
            raise ValueError(f'exchange must be one of {EXCHANGE_RULES}, got {exchange!r}')
        if lambda_cross < 0:
            raise ValueError(f'lambda_cross must be at least 0, got {lambda_cross}')
        if not 1 <= len(compositions) <= NUM_GROUPS:
            raise ValueError(f'compositions need one entry per group, got {compositions!r}')
        self.host = method
        self.host.observers = self.observers
        self.compositions = [halves_of(composition) for composition in compositions]
        self.exchange: ExchangeRule = exchange
        self.lambda_cross = lambda_cross
        self.sequential = sequential
        if len(compositions) == NUM_GROUPS:
            self.student_2 = copy.deepcopy(student)
        self.num_active = len(compositions)  # a hook starts the second group later on request
        self._banks: dict[str, TeacherBank] = {}

    @property
    def students(self) -> dict[str, nn.Module]:
        """The students, first group first."""
        second = {'student_2': self.student_2} if len(self.compositions) == NUM_GROUPS else {}
        return {'student': self.student, **second}

    def init_weights(self) -> None:
        """Initialise the first student and copy it: pretrained weights are read once."""
        self.student.init_weights()
        for student in self.students.values():
            student.load_state_dict(self.student.state_dict())

    def attach_teachers(self, bank: TeacherBank, student: str = 'student') -> None:
        """Let a hook hand over the teachers of a group.

        Args:
            bank: the teachers.
            student: name of the student that they follow.

        Raises:
            ValueError: if another hook did so for this student before.
        """
        check_only(type(self).__name__, self._banks.get(student), bank)
        self._banks[student] = bank
        if student == 'student':
            self.host.attach_teachers(bank)  # its ramps count the updates of the first teacher
        self._teachers = TeacherBank.joined(list(self._banks.values()))

    def loss(self, inputs: BranchInputs, data_samples: BranchSamples) -> Losses:
        """Return the losses of one step.

        Args:
            inputs: the branches of the host.
            data_samples: the samples of the branches.

        Returns:
            What ``group_losses`` yields, in one.
        """
        losses: Losses = {}
        for terms in self.group_losses(inputs, data_samples):
            losses |= terms
        return losses

    def train_step(
        self, data: dict[str, Any] | tuple | list, optim_wrapper: OptimWrapper
    ) -> dict[str, Tensor]:
        """Train one step; with ``sequential``, forward and backward of one group, then the next.

        Args:
            data: the batch.
            optim_wrapper: the optimizer.

        Returns:
            What is logged.
        """
        if not self.sequential:
            logged: dict[str, Tensor] = super().train_step(data, optim_wrapper)
            return logged
        branches: dict[str, Any] = self.data_preprocessor(data, training=True)
        groups = self.group_losses(**branches)
        logged = {}
        for group in range(1, self.num_active + 1):
            with optim_wrapper.optim_context(self):
                loss, terms = self.parse_losses(next(groups))
            terms['loss'] = terms['loss'] + logged.get('loss', 0.0)
            logged |= terms
            loss = optim_wrapper.scale_loss(loss)
            if group < self.num_active:
                # past the wrapper, which counts its backwards as accumulated batches
                scaler = getattr(optim_wrapper, 'loss_scaler', None)
                (loss if scaler is None else scaler.scale(loss)).backward()
            else:
                optim_wrapper.backward(loss)
        if optim_wrapper.should_update():
            average_gradients(self)
            optim_wrapper.step()
            optim_wrapper.zero_grad()
        return logged

    def group_losses(self, inputs: BranchInputs, data_samples: BranchSamples) -> Iterator[Losses]:
        """Yield the losses of one group after the other.

        Args:
            inputs: the branches of the host.
            data_samples: the samples of the branches.

        Yields:
            ``group_<k>.<half>.<head>.loss_ce`` and what the host adds, and statistics: the share of
            target pixels of the group, the share of accepted labels of its teacher, and that to
            which the teachers give different classes.
        """
        views = self.host.read(inputs, data_samples)
        valid = valid_pixels(views.target, views.samples)
        students = list(self.students.values())[: self.num_active]
        banks = list(self._banks.values())[: self.num_active]
        probs_teachers = [bank.probabilities(views.target) for bank in banks]  # (U, K, H, W) each
        own_targets = [make_pseudo_labels(probs, valid) for probs in probs_teachers]
        targets = own_targets
        if self.exchange == 'mean':
            mean = make_pseudo_labels(torch.stack(probs_teachers).mean(dim=0), valid)
            targets = [mean] * len(own_targets)

        for group, student in enumerate(students):
            opinions = exchange(self.exchange, group, targets, self.lambda_cross)
            drawn = [
                compose(name, self.host, student, views, opinions)
                for name in self.compositions[group]
            ]
            halves, shares = zip(*drawn, strict=True)
            terms = self.host.learn(student, halves)
            terms |= self.host.learn_more(student, views, opinions)
            terms['stat_target_share'] = torch.stack(shares).mean()
            terms |= self.teacher_statistics(own_targets[group], self.host.threshold, views.samples)
            if len(own_targets) == NUM_GROUPS:
                first, second = own_targets
                terms['stat_teachers_disagree'] = labels_differ(first.labels, second.labels)
            if group == 0:
                self._expose(views, own_targets[0], halves)
            yield {f'group_{group + 1}.{key}': term for key, term in terms.items()}

    def _expose(self, views: Views, target: PseudoLabels, halves: Sequence[Half]) -> None:
        """Show observers what the first group saw."""
        mixed = {half.name: half.images for half in halves}
        plain = {'source': views.source, 'target': views.target}
        self.expose(**(mixed | plain), source_label=views.labels, pseudo_label=target.labels)
