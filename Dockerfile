# The studio, the proxy and the trainer in one image; see docs/deploy.md. Checked by hadolint; not built by our tests.
#
#   docker build --tag midcourse .
#   docker build --tag midcourse --build-arg TORCH_INDEX=URL .      PyTorch's CPU index (pytorch.org, "Get started"):
#                                                                   some gigabytes less where there is no GPU
#   docker build --tag midcourse --build-arg EXTRAS=studio,postgres .   no torch: a proxy, or a studio with --backend
FROM python:3.11-slim-bookworm AS build
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.11-slim-bookworm
ARG EXTRAS=all
ARG TORCH_INDEX=""
COPY constraints.txt /tmp/
COPY --from=build /wheels /tmp/wheels
RUN PIP_EXTRA_INDEX_URL="$TORCH_INDEX" pip install --no-cache-dir --constraint /tmp/constraints.txt \
      "$(echo /tmp/wheels/*.whl)[$EXTRAS]" \
    && rm -r /tmp/wheels /tmp/constraints.txt \
    && useradd --system --uid 10001 --create-home --home-dir /var/lib/midcourse midcourse

# What is to be kept: adapters (runs/), models that were fetched, and the store where it is SQLite.
ENV MIDCOURSE_CACHE=/var/lib/midcourse/cache \
    HF_HOME=/var/lib/midcourse/cache/huggingface \
    PYTHONUNBUFFERED=1
USER 10001
WORKDIR /var/lib/midcourse
VOLUME /var/lib/midcourse
EXPOSE 8321
HEALTHCHECK --interval=15s --timeout=5s --start-period=10m --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8321/healthz', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["midcourse"]
CMD ["studio", "--host", "0.0.0.0"]
