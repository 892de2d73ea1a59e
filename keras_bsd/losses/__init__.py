"""Losses between a stage and its teacher, and the functions they are composed of."""

from keras_bsd.losses._frequency_reco import FrequencyReCo as FrequencyReCo
from keras_bsd.losses._info_nce import InfoNCE as InfoNCE
from keras_bsd.losses._layer_loss import LayerLoss as LayerLoss
from keras_bsd.losses._layer_loss import Pairing as Pairing
from keras_bsd.losses._reco import ReCo as ReCo
from keras_bsd.losses._reco import cosine_affinity as cosine_affinity
from keras_bsd.losses._reco import reco as reco
from keras_bsd.losses._reco import target_similarity as target_similarity
from keras_bsd.losses._similarity_matching import SimilarityMatching as SimilarityMatching
