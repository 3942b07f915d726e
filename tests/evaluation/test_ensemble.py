"""An ensemble answers with the mean of probabilities; networks that do not fit are refused."""

import numpy as np
import pytest
import torch
from torch import nn

from dts.evaluation.ensemble import MeanProbabilitySegmentor
from dts.evaluation.models import select_models
from dts.registry import MODELS
from toys import toy_sample, toy_segmentor_config


class Fixed(nn.Module):
    """Stands for a segmentor: the same logits everywhere."""

    def __init__(self, logits):
        super().__init__()
        self.logits = torch.tensor(logits)
        self.data_preprocessor = nn.Identity()
        self.test_cfg, self.align_corners = {}, False
        self.num_classes = self.out_channels = len(logits)

    def encode_decode(self, inputs, batch_img_metas):
        return self.logits.view(1, -1, 1, 1).expand(len(inputs), -1, *inputs.shape[-2:])


def test_mean_of_probabilities_by_hand():
    # softmax of (ln 9, 0) is (0.9, 0.1), of (0, ln 4) (0.2, 0.8), of (0, ln 3) (0.25, 0.75).
    log = np.log
    networks = [Fixed([log(9), 0.0]), Fixed([0.0, log(4)]), Fixed([0.0, log(3)])]
    probs = MeanProbabilitySegmentor(networks).encode_decode(torch.zeros(2, 3, 1, 1), [{}, {}])
    expected = torch.tensor([0.45, 0.55], dtype=probs.dtype).view(1, 2, 1, 1).expand(2, 2, 1, 1)
    torch.testing.assert_close(probs, expected)


def write_members(folder, **configs):
    members = {}
    for seed, (name, config) in enumerate(configs.items()):
        torch.manual_seed(seed)
        state = MODELS.build(config).state_dict()
        torch.save(dict(state_dict=state), folder / f'{name}.pth')
        members[name] = dict(segmentor=config, checkpoint=str(folder / f'{name}.pth'))
    return members


def ensemble(members):
    return MODELS.build(dict(type='dts.CheckpointEnsemble', members=members))


def test_members_answer_alone_and_together(tmp_path):
    members = write_members(tmp_path, a=toy_segmentor_config(), b=toy_segmentor_config(channels=5))
    networks = select_models(ensemble(members).eval(), ['ensemble', 'a', 'b'])
    sample = toy_sample((16, 16), 3, np.random.default_rng(0))
    with torch.no_grad():
        logits = {
            name: network.test_step({k: [v.clone()] for k, v in sample.items()})[0].seg_logits.data
            for name, network in networks.items()
        }
    expected = (logits['a'].softmax(0) + logits['b'].softmax(0)) / 2
    torch.testing.assert_close(logits['ensemble'], expected)
    assert not torch.allclose(logits['a'], logits['b'])
    loaded = torch.load(tmp_path / 'b.pth', weights_only=True)['state_dict']
    assert torch.equal(networks['b'].backbone.conv.weight, loaded['backbone.conv.weight'])


def test_what_does_not_fit_is_refused(tmp_path):
    one_channel = toy_segmentor_config(num_classes=2)
    one_channel.decode_head.update(out_channels=1, threshold=0.5)
    one_channel.decode_head.loss_decode.update(use_sigmoid=True)
    darker = toy_segmentor_config()
    darker.data_preprocessor.mean = [100.0] * 3
    oracle = toy_segmentor_config()
    oracle.update(type='dts.LabelAssistedEncoderDecoder')
    oracle.codes = dict(type='dts.LabelCodes', family='gaussian', pixel_sigma=0.05)
    oracle.stem_init = 0.1
    plain = toy_segmentor_config()
    cases = {
        r"two or more members, none called 'ensemble', got \['a'\]": dict(a=plain),
        r"got \['a', 'ensemble'\]": dict(a=plain, ensemble=plain),
        r"'b' has \(classes, preprocessing\) \(4": dict(a=plain, b=toy_segmentor_config(4)),
        r"'b' has \(classes, preprocessing\) .*100.0": dict(a=plain, b=darker),
        "'a' has 1 output channels for 2 classes": dict(a=one_channel, b=one_channel),
        "'a' sees labels": dict(a=oracle, b=oracle),
    }
    for message, configs in cases.items():
        with pytest.raises(ValueError, match=message):
            ensemble(write_members(tmp_path, **configs))
