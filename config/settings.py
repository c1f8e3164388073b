"""Settings: one function of the environment.

DATABASE_URL          default: SQLite in QUARRY_HOME
REDIS_URL             unset: jobs travel inside the embedded worker; set: Celery on Redis
SECRET_KEY            default: made on first run in QUARRY_HOME, mode 0600
SECRET_KEY_FALLBACKS  comma-separated keys that SECRET_KEY replaced; what they signed or encrypted stays readable
ALLOWED_HOSTS         comma-separated; default: this machine only
CSRF_TRUSTED_ORIGINS  comma-separated origins with scheme, for a proxy in front
QUARRY_HOME           data folder; default: var/ beside manage.py
QUARRY_ENCODER        default encoder name or folder; default: minilm
QUARRY_IMPORT_FOLDERS comma-separated folders whose logs and code pages and the API may read; commands may read any
QUARRY_CODE_PROCESSES helper processes that parse code; default: as many as there are cores; 0: in the job itself
QUARRY_SHARDS         local: long work runs in helper processes; celery: shards of it in all workers (with REDIS_URL)
QUARRY_HTTPS          1 when served over https: secure cookies, HSTS
QUARRY_REQUIRE_2FA    1: curators and administrators cannot go on without a second factor
QUARRY_PROXIES        how many reverse proxies stand in front; default 0 (bounds on tries count by the client's address)
EMAIL_URL             smtp://user:password@host:port (smtp+tls:// for STARTTLS); unset: no mail, links are made by hand
QUARRY_MAIL_FROM      sender of mails; default: quarry@localhost
QUARRY_SSO_URL        issuer of an OpenID Connect provider; with it QUARRY_SSO_CLIENT_ID, QUARRY_SSO_SECRET
QUARRY_SSO_NAME       what the button on the login page says; default: single sign-on
QUARRY_SSO_SIGNUP     1: anybody the provider knows gets an account (without projects); default: invited people only
QUARRY_SSO_ORIGINS    further origins that the provider's login page is served from, comma-separated
DEBUG                 1 for development only
"""

import os
import secrets
import sys
from pathlib import Path
from urllib.parse import urlsplit

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

QUARRY_HOME = Path(env.str("QUARRY_HOME", str(BASE_DIR / "var"))).expanduser().resolve()
QUARRY_HOME.mkdir(parents=True, exist_ok=True)
QUARRY_ENCODER = env.str("QUARRY_ENCODER", "minilm")
# By name, so that the shared kernel imports no model library (core/encoding.py).
ENCODER_LOADER = "modeling.ml.encoders.load_encoder"
IMPORT_FOLDERS = env.list("QUARRY_IMPORT_FOLDERS", default=[])
CODE_PROCESSES = env.int("QUARRY_CODE_PROCESSES", os.cpu_count() or 1)
DEBUG = env.bool("DEBUG", False)
MIN_SECRET_KEY_CHARS = 32


def secret_key() -> str:
    """The key from the environment, else the one made on first run (RELIABILITY: no shipped secret)."""
    given = env.str("SECRET_KEY", "")
    if given:
        if len(given) < MIN_SECRET_KEY_CHARS and not DEBUG:
            raise ImproperlyConfigured(
                f"SECRET_KEY has {len(given)} characters; use at least {MIN_SECRET_KEY_CHARS} random ones, "
                "or unset it and Quarry makes one in QUARRY_HOME."
            )
        return given
    path = QUARRY_HOME / "secret_key"
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii").strip()
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(50))
    return path.read_text(encoding="ascii").strip()


SECRET_KEY = secret_key()
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "csp",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "core",
    "curation",
    "annotation",
    "modeling",
    "demo",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "core.middleware.LanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "core.middleware.ErrorPageMiddleware",
    "core.middleware.StepsMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "core.context.quarry",
            ],
        },
    }
]

SQLITE_OPTIONS = {
    # WAL + FULL: an acknowledged vote is on disk. IMMEDIATE: a read-then-write takes the lock first,
    # so it waits instead of failing. Never ATOMIC_REQUESTS with it: every GET would take the lock.
    "timeout": 20,
    "transaction_mode": "IMMEDIATE",
    "init_command": (
        "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;PRAGMA cache_size=-64000;PRAGMA busy_timeout=20000"
    ),
}
POSTGRES_OPTIONS = {
    "options": "-c lock_timeout=5s -c idle_in_transaction_session_timeout=60s",
}


def database() -> dict:
    """DATABASES['default'] for DATABASE_URL; SQLite in QUARRY_HOME when it is unset."""
    config = env.db("DATABASE_URL", default=f"sqlite:///{QUARRY_HOME / 'quarry.sqlite3'}")
    if config["ENGINE"] == "django.db.backends.sqlite3":
        config["OPTIONS"] = SQLITE_OPTIONS
        config["CONN_MAX_AGE"] = None
    else:
        config["OPTIONS"] = POSTGRES_OPTIONS
        config["CONN_MAX_AGE"] = 60
        config["CONN_HEALTH_CHECKS"] = True
    return config


DATABASES = {"default": database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "core.User"
AUTHENTICATION_BACKENDS = ["core.sessions.PeopleBackend"]
SESSION_ENGINE = "core.sessions"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "core:login"
LOGIN_REDIRECT_URL = "core:home"
LOGOUT_REDIRECT_URL = "core:login"

# --- people: second factor and single sign-on by allauth, with our own login page in front of them -----------------
REQUIRE_2FA = env.bool("QUARRY_REQUIRE_2FA", False)
PASSWORD_RESET_TIMEOUT = 24 * 3600  # a link for a new password holds for a day, and for one use
ACCOUNT_ADAPTER = "core.sso.AccountAdapter"
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_UNIQUE_EMAIL = False  # people are told apart by name; nothing is decided by an address
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ALLAUTH_TRUSTED_PROXY_COUNT = env.int("QUARRY_PROXIES", 0)
MFA_ADAPTER = "core.two_factor.Adapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Quarry"
MFA_TOTP_TOLERANCE = 1  # a code of the half minute before or after is taken too: clocks differ
MFA_ALLOW_UNVERIFIED_EMAIL = True
SSO_URL = env.str("QUARRY_SSO_URL", "").rstrip("/")
SSO_SIGNUP = env.bool("QUARRY_SSO_SIGNUP", False)
SSO_ORIGINS = env.list("QUARRY_SSO_ORIGINS", default=[])
SSO_PROVIDER = "sso"
SOCIALACCOUNT_ADAPTER = "core.sso.SocialAdapter"
SOCIALACCOUNT_QUERY_EMAIL = False
SOCIALACCOUNT_OPENID_CONNECT_URL_PREFIX = ""
SOCIALACCOUNT_PROVIDERS: dict = {"openid_connect": {"APPS": []}}
if SSO_URL:
    SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"].append(
        {
            "provider_id": SSO_PROVIDER,
            "name": env.str("QUARRY_SSO_NAME", "single sign-on"),
            "client_id": env.str("QUARRY_SSO_CLIENT_ID"),
            "secret": env.str("QUARRY_SSO_SECRET"),
            "settings": {"server_url": SSO_URL, "oauth_pkce_enabled": True},
        }
    )
    SSO_ORIGINS.append("{0.scheme}://{0.netloc}".format(urlsplit(SSO_URL)))

# --- mail: without EMAIL_URL nothing is sent, and the pages offer links made by hand instead -------------------------
MAIL_IS_CONFIGURED = bool(env.str("EMAIL_URL", ""))
if MAIL_IS_CONFIGURED:
    vars().update(env.email_url("EMAIL_URL"))
else:
    EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
DEFAULT_FROM_EMAIL = env.str("QUARRY_MAIL_FROM", "quarry@localhost")

REDIS_URL = env.str("REDIS_URL", "")
CACHES = {
    "default": (
        {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
        if REDIS_URL
        else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    )
}

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = QUARRY_HOME / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
MEDIA_ROOT = QUARRY_HOME / "uploads"
FILE_UPLOAD_TEMP_DIR = None
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 2**20
FILE_UPLOAD_PERMISSIONS = 0o640

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]  # each under its own name; tools/translations.py makes locale/
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_NAME = "language"
FORMAT_MODULE_PATH = ["core.formats"]
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

# --- security -------------------------------------------------------------------------------------
HTTPS = env.bool("QUARRY_HTTPS", False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_SSL_REDIRECT = env.bool("QUARRY_SSL_REDIRECT", False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SESSION_COOKIE_HTTPONLY = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "EXCLUDE_URL_PREFIXES": ["/api/docs"],
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF, *SSO_ORIGINS],  # the form that begins a single sign-on ends at the provider
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    },
}

# --- API --------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_SCHEMA_CLASS": "core.schema.QuarrySchema",
    "EXCEPTION_HANDLER": "core.api.problem_response",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Quarry API",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_NAME_OVERRIDES": {
        "LogFormatEnum": "curation.api.logs.LOG_FORMATS",
        "BatchKindEnum": "annotation.models.BatchKind",
        "EvaluationKindEnum": "modeling.models.Evaluation.Kind",
    },
}

# --- jobs (config/celery.py reads CELERY_*) ---------------------------------------------------------
CELERY_BROKER_URL = REDIS_URL or "memory://localhost/"
CELERY_BROKER_TRANSPORT_OPTIONS: dict = {"polling_interval": 0.05}
if REDIS_URL:
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "visibility_timeout": 3600,
        "socket_connect_timeout": 3,
        "socket_timeout": 30,
        # A request must not hang on a broker that is away: the job's row is safe, its wake-up is sent again later.
        **{"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.2},
    }
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
JOB_HEARTBEAT_S = env.float("QUARRY_JOB_HEARTBEAT_S", 2.0)
JOB_STALE_S = env.float("QUARRY_JOB_STALE_S", 15.0)  # a job silent for longer is taken back from a dead worker
JOB_BACKOFF_S = env.float("QUARRY_JOB_BACKOFF_S", 5.0)  # before the second attempt; doubles with each further one
JOB_MAX_ATTEMPTS = 3
JOB_MAX_QUEUED_PER_USER = 20
JOB_RESEND_S = env.float("QUARRY_JOB_RESEND_S", 30.0)  # with Redis: how soon a lost wake-up is sent again
JOB_STOP_GRACE_S = env.float("QUARRY_JOB_STOP_GRACE_S", 8.0)  # a stopping worker waits so long for its jobs to notice
CELERY_WORKER_POOL = "threads"  # heartbeats, gpu slot and stopping are matters of one process; CUDA dislikes forks
CELERY_WORKER_CONCURRENCY = env.int("QUARRY_JOB_THREADS", 3)
# Where shards of long work are done: helper processes of the worker that runs it, or (with Redis) all workers.
SHARDS = env.str("QUARRY_SHARDS", "local")
SHARD_PROCESSES = env.int("QUARRY_SHARD_PROCESSES", 0)  # 0: as many as there are cores
WORKER_BEAT_S = 1.5
WORKER_ALIVE_S = 6.0  # with the page asking every 4 s, "no worker" shows within 10 seconds

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "core.masking.MaskingFormatter", "format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", "INFO")},
    "loggers": {name: {"level": "WARNING"} for name in ("celery", "kombu", "amqp")},  # core.jobs tells of jobs
}

TESTING = "pytest" in sys.modules
if TESTING:
    STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    WHITENOISE_USE_FINDERS = True
    WHITENOISE_AUTOREFRESH = True
