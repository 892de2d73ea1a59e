from keras_bsd.models.bsd_autoencoder import BSDAutoencoder as BSDAutoencoder
from keras_bsd.models.bsd_model import BSDModel as BSDModel
from keras_bsd.models.forecast_model import BSDForecastModel as BSDForecastModel
from keras_bsd.models.mirror import mirror as mirror
from keras_bsd.models.paper import paper_configuration as paper_configuration
from keras_bsd.models.sequence_model import BSDSequenceModel as BSDSequenceModel
from keras_bsd.models.streamer import Streamer as Streamer
from keras_bsd.models.timesteps import with_timesteps as with_timesteps
