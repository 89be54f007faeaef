import pytest

from clism_core.utils.credentials import check_no_credentials, check_variables, hide_credentials
from clism_core.utils.errors import InputError
from clism_core.utils.home import tracking_uri
from clism_core.utils.storage import filesystem

SECRETS = [
    pytest.param("s3://AKIA:SESAME@bucket/x", "s3://***@bucket/x", id="s3"),
    pytest.param("s3://AKIA:OPEN/SESAME+1@bucket/x", "s3://***@bucket/x", id="slash-in-the-secret"),
    pytest.param("s3://SESAME@bucket/x", "s3://***@bucket/x", id="s3-key-alone"),
    pytest.param("http://user:SESAME@mlflow:5000", "http://***@mlflow:5000", id="http"),
    pytest.param("https://user:SES@SESAME@mlflow/x", "https://***@mlflow/x", id="at-in-the-password"),
    pytest.param("HTTPS://SESAME@mlflow", "HTTPS://***@mlflow", id="token-as-user"),
    pytest.param("http://user:123456@mlflow", "http://***@mlflow", id="digits"),
    pytest.param("postgresql+psycopg://u:SESAME@db/m", "postgresql+psycopg://***@db/m", id="database"),
    pytest.param("mysql://db/m?user=u&password=SESAME", "mysql://db/m?user=u&password=***", id="query"),
    pytest.param(
        "s3://b/x?region=r&access_key=SESAME&secret_key=SESAME",
        "s3://b/x?region=r&access_key=***&secret_key=***",
        id="keys-in-the-query",
    ),
    pytest.param(
        "https://b/x?X-Amz-Credential=SESAME&X-Amz-Date=1&X-Amz-Signature=SESAME",
        "https://b/x?X-Amz-Credential=***&X-Amz-Date=1&X-Amz-Signature=***",
        id="presigned",
    ),
    pytest.param("https://acc/x?sv=1&sig=SESAME", "https://acc/x?sv=1&sig=***", id="sas"),
    pytest.param("https://acc/x?Token=SESAME", "https://acc/x?Token=***", id="token"),
    pytest.param(
        "mssql+pyodbc:///?odbc_connect=Server=x;PWD=SESAME", "mssql+pyodbc:///?odbc_connect=Server=x;PWD=***", id="odbc"
    ),
    pytest.param(
        "mssql+pyodbc:///?odbc_connect=Server%3Dx%3BPWD%3DSECRET",
        "mssql+pyodbc:///?odbc_connect=Server%3Dx%3BPWD%3D***",
        id="odbc-escaped",
    ),
]


@pytest.mark.parametrize(("uri", "hidden"), SECRETS)
def test_credentials_are_found_and_hidden(uri: str, hidden: str) -> None:
    assert hide_credentials(f"cannot read '{uri}', stop") == f"cannot read '{hidden}', stop"
    with pytest.raises(InputError) as caught:
        check_no_credentials(f"--tests [{{path: {uri} , language: ar}}]", title="--tests")
    assert str(caught.value).startswith(f"--tests: {hidden} contains credentials")
    assert "SESAME" not in str(caught.value)


@pytest.mark.parametrize(
    "uri",
    [
        pytest.param("s3://bucket/user:name@host/x", id="colon-and-at-in-the-key"),
        pytest.param("s3://bucket/a@b", id="at-in-the-key"),
        pytest.param("s3://bucket/x?endpoint_override=localhost:9000&region=r&scheme=http", id="options"),
        pytest.param("http://127.0.0.1:5000/a@b", id="port"),
        pytest.param("http://[::1]:5000/x", id="ipv6"),
        pytest.param("postgresql://user@db/mlflow", id="database-user"),
        pytest.param("postgresql://db:5432/mlflow?application_name=a@b", id="database-port"),
        pytest.param("sqlite:////home/u:x@y/mlflow.db", id="sqlite"),
        pytest.param("file:///a:b@c/token=x", id="file"),
        pytest.param("models:/clism-mrc@champion", id="alias"),
        pytest.param("refs/convert/parquet@0123", id="revision"),
        pytest.param("user:password@host", id="no-uri"),
        pytest.param("What is s3:// ?token=1", id="question"),
    ],
)
def test_other_uris_are_accepted(uri: str) -> None:
    check_no_credentials(uri, title="x")
    assert hide_credentials(uri) == uri


@pytest.mark.parametrize(
    ("uri", "advice"),
    [
        ("s3://A:SESAME@b/x", "AWS_SECRET_ACCESS_KEY"),
        ("https://u:SESAME@mlflow", "MLFLOW_TRACKING_PASSWORD"),
        ("postgresql://u:SESAME@db/m", "~/.pgpass"),
    ],
)
def test_the_message_says_how_to_give_them(uri: str, advice: str) -> None:
    with pytest.raises(InputError, match=advice):
        check_no_credentials(uri, title="x")


def test_uris_of_the_environment_and_of_storage_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"^path: s3://\*\*\*@bucket/x contains"):
        filesystem("s3://AKIA:SESAME@bucket/x")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://user:SESAME@store:9000")
    with pytest.raises(InputError, match=r"^AWS_ENDPOINT_URL: http://\*\*\*@store:9000 contains"):
        check_variables()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:SESAME@mlflow")
    with pytest.raises(InputError, match=r"^MLFLOW_TRACKING_URI: http://\*\*\*@mlflow contains"):
        tracking_uri()
