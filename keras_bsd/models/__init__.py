from keras_bsd.models.bsd_model import BSDModel as BSDModel
from keras_bsd.models.mirror import mirror as mirror
