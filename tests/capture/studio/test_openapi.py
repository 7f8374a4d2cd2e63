"""Every route of the API, given whatever its own schema allows: an answer, never a crash."""

import sys
import warnings
from collections import Counter

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase
from served import Babbler, serve

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed: scripts/setup")


@pytest.mark.long
def test_no_route_breaks_on_anything_its_schema_names(tmp_path):
    seen = Counter()
    with serve(tmp_path, Babbler(), command=(sys.executable, "-c", "raise SystemExit(2)")) as served:
        assert served.client().post("api/queue", json={"prompts": ["one"]}).json() == {"added": 1}
        [item] = served.studio.office.desk.items
        schema = schemathesis.openapi.from_dict(served.app.openapi())
        schema.config.update(base_url=served.url.rstrip("/"))
        for result in schema.get_all_operations():
            operation = result.ok()
            if not operation.path.startswith("/api"):
                continue

            @hypothesis.settings(
                max_examples=8,
                deadline=None,
                database=None,
                derandomize=True,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @hypothesis.given(operation.as_strategy())
            def hit(case):
                if "item" in case.path_parameters and sum(seen.values()) % 2:
                    case.path_parameters["item"] = item
                answer = case.call(headers={"Origin": served.origin})
                seen[(case.operation.label, answer.status_code)] += 1
                assert answer.status_code < 500, (case.operation.label, case.body, answer.text)

            hit()
        done = {label for (label, status) in seen if status < 300}
        assert {"PATCH /api/queue/{item}", "POST /api/queue", "PUT /api/tags", "GET /api/export"} <= done
        assert not any(status == 429 for _, status in seen)  # else nothing was tried
        assert served.studio.office.store.verify() == []
