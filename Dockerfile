# The service (affectzoo serve) for a machine without a GPU; docs/serve.md says how to build and run it.
FROM python:3.12-slim

WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY recipes recipes
COPY affectzoo affectzoo
# An index of torch's builds for CPUs alone makes the image smaller: --build-arg PIP_EXTRA_INDEX_URL=...
ARG PIP_EXTRA_INDEX_URL
# hadolint ignore=DL3013
RUN pip install --no-cache-dir ".[serve]" \
    && useradd --create-home affectzoo

# hadolint ignore=DL3066
USER affectzoo
WORKDIR /home/affectzoo
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
ENTRYPOINT ["affectzoo", "serve", "--host", "0.0.0.0", "--port", "8000"]
CMD ["--model", "dlp_cnn_s.ferplus"]
