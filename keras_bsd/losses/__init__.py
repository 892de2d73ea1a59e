from keras_bsd.losses.reco import ReCo as ReCo
from keras_bsd.losses.reco import cosine_affinity as cosine_affinity
from keras_bsd.losses.reco import reco as reco
from keras_bsd.losses.reco import target_similarity as target_similarity
from keras_bsd.losses.similarity import SimilarityMatching as SimilarityMatching
