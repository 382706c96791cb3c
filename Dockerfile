# The service (affectzoo serve) for a machine without a GPU; docs/serve.md says how to build and run it.
FROM python:3.12-slim

WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY recipes recipes
COPY affectzoo affectzoo
# hadolint ignore=DL3013
RUN pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu ".[serve]" \
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
