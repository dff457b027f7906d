"""An app, which is not served."""
import flyte
import flyte.app

env = flyte.app.AppEnvironment(name="an-app", command=["python", "-m", "http.server", "8000"], port=8000,
                               resources=flyte.Resources(cpu="200m", memory="200Mi"))
