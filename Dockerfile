# Two stages: the first builds the wheel and an environment with it, the second runs it.
# Nothing is downloaded at run time: handbook, encoder, pages and migrations are in the wheel.

FROM python:3.11-slim AS build
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY bot bot
COPY handlers handlers
COPY knowledge knowledge
RUN python -m pip wheel --no-deps --wheel-dir /wheels . \
    && python -m venv /opt/xinqing \
    && wheel="$(ls /wheels/*.whl)" \
    && /opt/xinqing/bin/pip install --no-cache-dir -c constraints.txt "$wheel[postgresql,pdf]"
# The handbook's vectors: the first start reads them here and copies them into its data folder.
RUN install --directory --mode=0755 /opt/xinqing/share/xinqing \
    && XINQING_DATA_DIR=/opt/xinqing/share/xinqing /opt/xinqing/bin/xinqing index

FROM python:3.11-slim
# What lays out the PDFs of a case, and the font they are set in.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-noto-cjk \
    && rm -rf /var/lib/apt/lists/*
RUN groupadd --system --gid 10001 xinqing \
    && useradd --system --uid 10001 --gid xinqing --home-dir /data --shell /usr/sbin/nologin xinqing \
    && install --directory --owner=xinqing --group=xinqing --mode=0700 /data
COPY --from=build /opt/xinqing /opt/xinqing
# 0.0.0.0 is right only in here: what reaches it is decided by the published port.
ENV PATH=/opt/xinqing/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    XINQING_DATA_DIR=/data \
    XINQING_HOST=0.0.0.0 \
    XINQING_PORT=8600
USER xinqing
WORKDIR /data
VOLUME /data
EXPOSE 8600
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"XINQING_PORT\"]}/health', timeout=4)"]
ENTRYPOINT ["xinqing"]
CMD ["serve"]
