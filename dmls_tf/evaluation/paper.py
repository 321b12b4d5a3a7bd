"""What the paper reports, to set results beside it: percentages from its tables I, III and IV.

Its Cityscapes figures are of the test set; those marked + were trained with the coarse labels, too.
"""

COLUMNS = {
    "cityscapes": ("mean_iou", "mean_iiou", "mean_category_iou", "mean_category_iiou"),
    "mapillary": ("mean_iou",),
    "ade20k": ("pixel_accuracy", "mean_iou"),
}
TABLES = {
    "cityscapes": "Table I, test set",
    "mapillary": "Table III, validation set",
    "ade20k": "Table IV, validation set",
}
ROWS = {
    "cityscapes": {
        "FCN8s, VGG-16": (65.3, 41.7, 85.7, 70.1),
        "FCN8s, ResNet-50": (69.4, 41.6, 86.3, 72.1),
        "PSPNet, ResNet-101": (78.4, 56.7, 90.6, 78.6),
        "DeepLabv3+, ResNet-101 +": (82.1, 62.4, 92.0, 81.9),
        "DMLS, VGG-16": (72.8, 49.7, 89.4, 76.6),
        "DMLS, ResNet-50": (79.7, 60.2, 91.1, 79.5),
        "DMLS, ResNet-50 +": (82.0, 61.8, 92.0, 81.7),
        "DMLS, ResNet-101": (83.1, 64.6, 92.4, 82.3),
        "DMLS, ResNet-101 +": (83.7, 66.1, 93.0, 83.3),
    },
    "mapillary": {
        "FCN8s, ResNet-101": (38.48,),
        "PSPNet, ResNet-101": (49.76,),
        "DMLS, VGG-16": (41.71,),
        "DMLS, ResNet-50": (54.42,),
        "DMLS, ResNet-101": (54.83,),
    },
    "ade20k": {
        "FCN8s, VGG-16": (71.32, 29.39),
        "FCN8s, ResNet-50": (74.57, 34.38),
        "PSPNet, ResNet-50": (80.04, 41.68),
        "PSPNet, ResNet-101": (81.39, 43.29),
        "DMLS, VGG-16": (81.03, 42.85),
        "DMLS, ResNet-50": (82.76, 45.52),
        "DMLS, ResNet-101": (83.20, 46.16),
    },
}
