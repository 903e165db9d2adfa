# A CPU image with the program and the bundled model inside:
#   docker build -t flam . && docker run --rm -v "$PWD:/audio" flam detect /audio/recording.wav -p "dog barking"
FROM python:3.12-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN pip install --no-cache-dir --prefix=/install ".[plot,media,serve]"

FROM python:3.12-slim
COPY --from=build /install /usr/local
RUN useradd --create-home flam
USER flam
WORKDIR /audio
ENTRYPOINT ["flam"]
CMD ["--help"]
