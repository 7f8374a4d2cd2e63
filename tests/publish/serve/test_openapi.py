"""Every route, given whatever its own schema allows: an answer or an error in OpenAI's shape, never a crash."""

import warnings
from collections import Counter

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase

import model_served

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed: scripts/setup")


@pytest.mark.long
def test_no_route_breaks_on_anything_its_schema_names(tmp_path):
    seen = Counter()
    with model_served.serve(tmp_path) as served:
        schema = schemathesis.openapi.from_dict(served.app.openapi())
        schema.config.update(base_url=served.url)
        for result in schema.get_all_operations():
            operation = result.ok()

            @hypothesis.settings(
                max_examples=40,
                deadline=None,
                database=None,
                derandomize=True,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @hypothesis.given(operation.as_strategy())
            def hit(case):
                if isinstance(case.body, dict):  # else nearly everything is an unknown model
                    case.body["model"] = "tiny"
                    case.body["max_tokens"] = 3
                    case.body.pop("max_completion_tokens", None)
                answer, label = case.call(), case.operation.label
                seen[(label, answer.status_code)] += 1
                assert answer.status_code < 500, (label, case.body, answer.text)
                if answer.status_code >= 400:
                    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}

            hit()
        assert seen[("GET /v1/models", 200)]
        assert seen[("POST /v1/completions", 200)]
        assert served.chat("Hi").status_code == 200
