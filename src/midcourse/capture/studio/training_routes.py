"""Routes of training and of the adapter that writes; for admins."""

import asyncio

from fastapi import APIRouter, FastAPI, HTTPException
from starlette.responses import Response

from midcourse.capture.studio import events, rest
from midcourse.capture.studio.routes import Admin, Who
from midcourse.capture.studio.state import Studio
from midcourse.capture.studio.training import Plan, Trainings
from midcourse.errors import InputError

__all__ = ["add_training"]

_REPORT_CSP = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
    "frame-ancestors 'self'; sandbox allow-scripts"
)


def add_training(app: FastAPI, studio: Studio, plan: Plan) -> Trainings:
    """Add them; returns what runs behind them."""

    def tell(run: rest.TrainingRun) -> None:
        studio.tell_all(events.Training(run=run.model_dump()), admins=True)
        if run.ended is not None:
            studio.tell_all(events.Notice(about="adapters"), admins=True)

    trainings = Trainings(plan, studio.office, studio.writer, tell)
    router = APIRouter(prefix="/api")

    @router.get("/train")
    async def look(_: Admin) -> rest.TrainingRun | None:
        return trainings.run

    @router.post("/train")
    async def start(body: rest.TrainRequest, who: Admin) -> rest.TrainingRun:
        try:
            run = trainings.start(body)
        except InputError as error:
            raise HTTPException(409, str(error)) from error
        await studio.office.record("train", {"name": run.name}, who.name)
        return run

    @router.post("/train/stop")
    async def stop(_: Admin) -> Response:
        await trainings.stop()
        return Response(status_code=204)

    @router.get("/train/report/{run}")
    async def report(run: str, _: Admin) -> Response:
        found = trainings.report(run)
        if found is None:
            raise HTTPException(404, "this run has no report")
        body = await asyncio.to_thread(found.read_bytes)
        return Response(body, media_type="text/html", headers={"Content-Security-Policy": _REPORT_CSP})

    @router.get("/adapters")
    async def adapters(_: Who) -> rest.Adapters:
        writer = studio.writer
        return rest.Adapters(active=writer.active, names=tuple(sorted(writer.adapters)), switching=writer.switching)

    @router.post("/adapters")
    async def switch(body: dict[str, str | None], who: Admin) -> rest.Adapters:
        if "name" not in body:
            raise HTTPException(400, "give `name`: an adapter, or null for the base")
        await asyncio.to_thread(studio.writer.switch, body["name"])
        await studio.office.record("adapter", {"name": body["name"]}, who.name)
        studio.tell_all(events.Notice(about="model", message=body["name"] or "the base"))
        return await adapters(who)

    app.include_router(router)
    return trainings
