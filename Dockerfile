# The clickstream binary on an empty image: static, no shell, not root. It is built
# without the embedded database engine, which is a shared library and needs a libc.
FROM --platform=$BUILDPLATFORM golang:1.26.10-alpine AS build
ARG TARGETOS TARGETARCH VERSION=dev
WORKDIR /src
ENV CGO_ENABLED=0 GOTOOLCHAIN=local
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -tags noengine -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /clickstream ./cmd/clickstream
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    .ci/supply licences /licences

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
# Processors may convert between time zones; an empty image knows none.
COPY --from=build /usr/local/go/lib/time/zoneinfo.zip /zoneinfo.zip
ENV ZONEINFO=/zoneinfo.zip
COPY --from=build /clickstream /clickstream
COPY --from=build /licences /licences
COPY pipelines/*.yaml /pipelines/
USER 65532:65532
ENTRYPOINT ["/clickstream"]
