# The operator alone: no build tools, no tests, and thing_operator without thing_operator_local beside it.
#
#   docker build --build-arg REVISION=$(git rev-parse HEAD) --tag "$REGISTRY/thing-operator:0.1.0" .
#
# `make release` does that, with buildah where there is no docker, and packs image, chart and manifest.
#
# BASE_IMAGE needs Python 3.11 or newer as `python3` with the venv module.
ARG BASE_IMAGE=python:3.13-slim

FROM ${BASE_IMAGE} AS build
WORKDIR /src
COPY requirements requirements
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY operator/thing_operator operator/thing_operator
# Nothing comes from the index without a hash that is known: not what is run, and not what builds the wheel.
RUN python3 -m venv /opt/build \
    && /opt/build/bin/pip install --no-cache-dir --require-hashes --requirement requirements/build.txt \
    && /opt/build/bin/hatchling build --target wheel --directory /opt/wheel
# pip goes again when its work is done. Of the Kubernetes client the logins are used: what is generated of the API, a
# class for each group and each type, is loaded on demand and never is, and takes 50 MB even as bytecode. The rest stays
# as bytecode only, as its sources are of no use in a traceback. The folder's name has Python's version in it, so that
# WORKDIR cannot take the place of cd.
# hadolint ignore=DL3003
RUN python3 -m venv /opt/thing-operator \
    && /opt/thing-operator/bin/pip install --no-cache-dir --no-compile --require-hashes \
        --requirement requirements/image.txt \
    && /opt/thing-operator/bin/pip install --no-cache-dir --no-compile --no-deps --no-index /opt/wheel/*.whl \
    && /opt/thing-operator/bin/pip uninstall --yes --quiet setuptools pip \
    && cd /opt/thing-operator/lib/python3*/site-packages \
    && rm -r kubernetes/client/api kubernetes/aio/client/api \
    && find kubernetes -path '*/models/*' ! -name __init__.py -delete \
    && /opt/thing-operator/bin/python -m compileall -q -b kubernetes \
    && find kubernetes -name '*.py' -delete \
    && /opt/thing-operator/bin/python -m compileall -q -x kubernetes/ .

FROM ${BASE_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="thing-operator" \
      org.opencontainers.image.description="Virtual things on Telenor Connexion's Managed IoT Cloud, run from Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/thing-operator /opt/thing-operator
# USER: kopf asks for the user's name at the start, and 65532 has none in /etc/passwd.
ENV PATH=/opt/thing-operator/bin:$PATH \
    USER=thing-operator \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# A number, so that Kubernetes can tell that it is not root.
USER 65532:65532
EXPOSE 8080 9090
ENTRYPOINT ["thing-operator"]
CMD ["run", "--config", "/etc/thing-operator/config.yaml"]
