import json

import pytest
import tensorflow as tf

from dmls_tf.errors import UserError
from dmls_tf.input_pipeline.batches import Share
from dmls_tf.training.strategy import is_chief, make_strategy, share_of, worker_of


@pytest.mark.parametrize("name", ["auto", "one_device"])
def test_without_gpus_there_is_one_device(name, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    strategy = make_strategy(name)
    assert strategy is tf.distribute.get_strategy()
    assert worker_of(strategy) == (0, 1)
    assert is_chief(strategy)
    assert share_of(strategy) == Share(0, 1, 1)


def test_several_workers_need_to_be_named(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(UserError, match="multi_worker needs TF_CONFIG, like"):
        make_strategy("multi_worker")


@pytest.mark.parametrize("text", ["{", json.dumps({"cluster": 3})])
def test_an_unreadable_tf_config_is_told(text, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UserError, match="TF_CONFIG cannot be read"):
        make_strategy("auto")


@pytest.mark.parametrize("task", [{"type": "worker", "index": 5}, {"type": "evaluator"}, None])
def test_a_task_that_is_none_of_the_cluster(monkeypatch, task):
    cluster = {"cluster": {"chief": ["a:1"], "worker": ["b:1"]}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster | ({"task": task} if task else {})))
    with pytest.raises(UserError, match="none of the cluster's .*'chief', 0.*unset TF_CONFIG"):
        make_strategy()
